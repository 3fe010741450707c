#!/bin/sh
# Fuzz the expression language for ten minutes, or as many seconds as the first argument says.
# Needs atheris in the Python that runs it: pip install atheris
set -eu
cd "$(dirname "$0")/.."
mkdir -p fuzz/found
PYTHONPATH=. exec "${PYTHON:-python}" fuzz/expressions.py -max_total_time="${1:-600}" -max_len=5000 \
    -len_control=10 -timeout=5 -rss_limit_mb=1024 -dict=fuzz/words.dict -artifact_prefix=fuzz/ \
    fuzz/found fuzz/corpus/expressions
