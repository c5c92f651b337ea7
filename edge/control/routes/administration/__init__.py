"""Operations for admins: who may ask this node, and whom it tells."""
