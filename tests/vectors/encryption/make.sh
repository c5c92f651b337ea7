#!/usr/bin/env bash
# Makes every file of this folder with openssl alone. README.md describes them.
set -euo pipefail
cd "$(dirname "$0")"

hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
plain() { openssl dgst -sha256 -binary "$1"; }
# The private-key operation: PKCS#1 v1.5 block type 1 around the bytes themselves, no DigestInfo.
block() { openssl pkeyutl -sign -inkey private.pem -pkeyopt rsa_padding_mode:pkcs1 -in /dev/stdin; }

if [ ! -e private.pem ]; then
    openssl genrsa -traditional -out private.pem 2048
    openssl rand 16 > aes_key.bin
    openssl rand 16 > iv.bin
fi
openssl rsa -in private.pem -RSAPublicKey_out -out public.pem

for file in page.html big.bin; do
    openssl enc -aes-128-cbc -K "$(hex aes_key.bin)" -iv "$(hex iv.bin)" -in "$file" -out "$file.enc"
    plain "$file" > digest.tmp
    block < digest.tmp | od -An -v -tx1 | tr -d ' \n' > "$file.signed"
done
block < aes_key.bin > session_block.bin
printf '%s:%s' "$(openssl base64 -A -in iv.bin)" "$(openssl base64 -A -in session_block.bin)" > session_key.txt
grep -v -- '-----' public.pem | tr -d '\n' | cut -c1-20 | tr -d '\n' > key_id.txt
rm -f digest.tmp session_block.bin
