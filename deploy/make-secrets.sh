#!/bin/sh
# Writes .env beside compose.yaml, with secrets that nobody else has. One that is there stays as it is.
set -eu
cd "$(dirname "$0")/.."
umask 077
if [ -e .env ]; then
  echo ".env is there already: nothing was changed." >&2
  exit 1
fi
{
  for name in POSTGRES_PASSWORD OWNER_PASSWORD PGBOUNCER_PASSWORD METRICS_TOKEN; do
    echo "$name=$(openssl rand -hex 24)"
  done
  echo "JWT_SECRET=$(openssl rand -hex 48)"
  echo "ATTUNE_MASTER_KEY=$(openssl rand -hex 32)"
} > .env.new
mv .env.new .env
echo "The secrets are in .env. Keep a copy of it apart from backups of the database."
