"""Operations on the guard of a channel."""
