#!/usr/bin/env bash
# A bundle of two decoders from texts and recordings: ears that hear as Whisper does, and a tagger beside them.
# Goes on from what make.sh made. Every step can be stopped and continues where it was. With PRECISION=bf16 the ears
# learn faster on a processor with AMX or AVX-512 BF16.
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
noise="noise=0.2,reverb=0.06,telephone=0.08,gain=0.5,silence=0.85"
unislu tools augment "$speech/real" "$DATA/speech/real-train/manifest.jsonl" --clips 900 --augment "$noise"
unislu tools augment "$speech/real-2" "$DATA/speech/real-train/manifest.jsonl" --clips 1000 --augment "$noise" --seed 5
spoken="slue-train mit-restaurant mit-movie-eng mit-movie-trivia talk open meld-train sst-train"
for name in real real-2 no-speech $spoken; do
  unislu tools cache --encoder "$WHISPER_BASE" "$WORK/ears-cache" "$speech/$name/manifest.jsonl"
done
ears() { DATA=$speech CACHE=$WORK/ears-cache unislu train "$here/$1.yaml" ${PRECISION:+precision=$PRECISION}; }
ears ears
[ -d "$WORK/pair-1" ] || unislu tools compose "$WORK/bundle" "$RUNS/default-base-ears/last" "$WORK/pair-1"

# Second stage: names and figures of clips whose words are known, in the spelling that the first stage writes.
for name in $spoken; do
  [ -f "$speech/$name/right.jsonl" ] || unislu tools transcripts "$WORK/pair-1" "$speech/$name/manifest.jsonl"
done
ears ears-2
# Half-way back hears real speech better and the domains' names as well.
half=$RUNS/default-base-ears-half
[ -d "$half" ] || unislu tools average "$RUNS/default-base-ears/last=0.4" "$RUNS/default-base-ears-2/last=0.6" "$half"

# Third stage: the names of films and dishes again, real speech held where it is, and half of that.
ears ears-3
[ -d "$WORK/ears" ] || unislu tools average "$half=0.5" "$RUNS/default-base-ears-3/last=0.5" "$WORK/ears"

# The tagger, on those transcripts.
encoder=$WORK/encoder_hidden.onnx
for name in $spoken; do
  unislu tools cache --encoder "$encoder" "$CACHE" "$speech/$name/manifest.jsonl"
done
DATA=$speech unislu train "$here/tags.yaml"

# And over other sentences of many types, calls and sentiments, whose texts are given as annotated.
more=$WORK/more-texts
[ -d "$more/train" ] || python "$here/talk_texts.py" "$more" --count 6000 --seed 7
[ -f "$more/open.jsonl" ] || for file in "$texts"/train/open-*.jsonl; do tail -n +421 "$file" | head -n 1500; done > "$more/open.jsonl"
[ -f "$more/talk.jsonl" ] || for file in "$more"/train/talk-*.jsonl; do head -n 650 "$file"; done > "$more/talk.jsonl"
for name in open talk; do
  unislu synthesize "$more/$name.jsonl" "$speech/$name-2" --voices "$voices" --augment "$augment" --speed 0.98-1.3 --seed 0
  unislu tools cache --encoder "$encoder" "$CACHE" "$speech/$name-2/manifest.jsonl"
done
DATA=$speech unislu train "$here/tags-2.yaml"
words=$WORK/words.txt
unislu tools prune "$RUNS/default-base-tags-2/last" "$RUNS/default-base-tags-pruned" "$words" "$texts"/train/*.jsonl "$more"/train/*.jsonl
unislu export "$RUNS/default-base-tags-pruned" "$WORK/tags" --quantize int8 --facts "$here/facts.json"
unislu tools compose "$WORK/tags" "$WORK/ears" "$WORK/pair"
