#!/usr/bin/env bash
# A bundle of two decoders from texts and recordings: ears that hear as Whisper does, and a tagger beside them.
# Goes on from what make.sh made. On a processor with AMX add --bf16 to ears-train. Every step can be stopped and continues where it was.
#
#   WHISPER_BASE=<Hugging Face folder of openai/whisper-base> DATA=<corpora> WORK=<make.sh's folder> recipes/default-base/make-pair.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WHISPER_BASE:?}" "${DATA:?}" "${WORK:?}"
texts=$WORK/pair-texts; speech=$WORK/speech
export CACHE=$WORK/cache RUNS=$WORK/runs

# Texts: calls and surgeries from patterns, many types from published corpora, the beginning of each file.
[ -d "$texts/train" ] || { python "$here/talk_texts.py" "$texts"; python "$here/open_types.py" "$DATA" "$texts"; }
[ -f "$texts/talk.jsonl" ] || for file in "$texts"/train/talk-*.jsonl; do head -n 500 "$file"; done > "$texts/talk.jsonl"
[ -f "$texts/open.jsonl" ] || for file in "$texts"/train/open-*.jsonl; do
  case $file in *mit-restaurant*|*mit-movie-eng*) head -n 700 "$file" ;; *) head -n 420 "$file" ;; esac
done > "$texts/open.jsonl"

voices="hibari:us=4,hibari:gb=1.5,flite:awb=1.2,flite:rms=1.6"
augment="speed=0.4,reverb=0.15,noise=0.25,telephone=0.1,gain=0.5"
for name in talk open; do
  unislu synthesize "$texts/$name.jsonl" "$speech/$name" --voices "$voices" --augment "$augment" --speed 0.98-1.3 --seed 0
done

# Ears, first stage: the padded Whisper teaches audio of true length.
noise="noise=0.2,reverb=0.06,telephone=0.08,gain=0.5"
unislu tools ears-listen "$WHISPER_BASE" "$WORK/teacher" "$DATA/speech/real-train/manifest.jsonl" --clips 900 --augment "$noise"
unislu tools ears-listen "$WHISPER_BASE" "$WORK/silence" "$speech/no-speech/manifest.jsonl" --clips 100
[ -d "$WORK/ears-1" ] || unislu tools ears-train "$WHISPER_BASE" "$WORK/ears-1" "$WORK/teacher" "$WORK/silence" --epochs 3 --lr 3e-5
[ -d "$WORK/pair-1" ] || unislu tools compose "$WORK/bundle" "$WORK/ears-1" "$WORK/pair-1"

# Second stage: names and figures of clips whose words are known, in the spelling that the first stage writes.
for name in slue-train mit-restaurant mit-movie-eng mit-movie-trivia talk open meld-train sst-train; do
  [ -f "$speech/$name/right.jsonl" ] || unislu tools transcripts "$WORK/pair-1" "$speech/$name/manifest.jsonl"
  unislu tools ears-listen "$WORK/ears-1" "$WORK/given-$name" "$speech/$name/right.jsonl" --clips 6000 --given
done
[ -d "$WORK/ears-2" ] || unislu tools ears-train "$WORK/ears-1" "$WORK/ears-2" "$WORK/teacher" "$WORK/silence" "$WORK"/given-* --epochs 2 --lr 5e-5
# Half-way back hears real speech better and the domains' names as well.
[ -d "$WORK/ears-half" ] || unislu tools average "$WORK/ears-1=0.4" "$WORK/ears-2=0.6" "$WORK/ears-half"

# Third stage: the names of films and dishes again, real speech held where it is, and half of that.
unislu tools ears-listen "$WORK/ears-half" "$WORK/held" "$DATA/speech/real-train/manifest.jsonl" --clips 1000 --unpadded --augment "$noise" --seed 5
[ -d "$WORK/ears-3" ] || unislu tools ears-train "$WORK/ears-half" "$WORK/ears-3" "$WORK"/given-mit-* \
  "$WORK/held" "$WORK/held" "$WORK/teacher" "$WORK/teacher" --epochs 1 --lr 5e-5
[ -d "$WORK/ears" ] || unislu tools average "$WORK/ears-half=0.5" "$WORK/ears-3=0.5" "$WORK/ears"

# The tagger, on those transcripts.
encoder=$WORK/encoder_hidden.onnx
for name in slue-train mit-restaurant mit-movie-eng mit-movie-trivia talk open meld-train sst-train; do
  unislu tools cache --encoder "$encoder" "$CACHE" "$speech/$name/manifest.jsonl"
done
DATA=$speech unislu train "$here/tags.yaml"
words=$WORK/words.txt
unislu tools prune "$RUNS/default-base-tags/last" "$RUNS/default-base-tags-pruned" "$words" "$texts"/train/*.jsonl
unislu export "$RUNS/default-base-tags-pruned" "$WORK/tags" --quantize int8 --facts "$here/facts.json"
unislu tools compose "$WORK/tags" "$WORK/ears" "$WORK/pair"
