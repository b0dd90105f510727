#!/usr/bin/env bash
# A bundle of two decoders from texts and recordings: ears that hear as Whisper does, and a tagger beside them.
# Goes on from what make.sh made. Every step can be stopped and continues where it was. PRECISION=bf16 or fp32 holds for
# every recipe, whatever it says: bf16 is faster on a processor with AMX or AVX-512 BF16, and far slower on others.
#
#   WHISPER_BASE=<Hugging Face folder of openai/whisper-base> DATA=<corpora> WORK=<make.sh's folder> recipes/default-base/make-pair.sh
#
# CLIPS, STEPS and VOICES are make.sh's. Needs what that needs, and pip install ".[texts]".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WHISPER_BASE:?}" "${DATA:?}" "${WORK:?}"
texts=$WORK/pair-texts; speech=$WORK/speech
export CACHE=$WORK/cache RUNS=$WORK/runs
whole() { [ -z "${CLIPS:-}" ] || sed -i "$((CLIPS + 1)),\$d" "$1.part"; mv "$1.part" "$1"; }
train() { DATA=$speech unislu train "$here/$1.yaml" ${STEPS:+max_steps=$STEPS} ${PRECISION:+precision=$PRECISION}; }

# Texts: calls and surgeries from patterns, many types from published corpora, the beginning of each file.
if [ ! -d "$texts" ]; then
  python "$here/talk_texts.py" "$texts.part" ${CLIPS:+--count "$CLIPS"}; python "$here/open_types.py" "$DATA" "$texts.part"
  mv "$texts.part" "$texts"
fi
if [ ! -f "$texts/talk.jsonl" ]; then
  head -q -n 500 "$texts"/train/talk-*.jsonl > "$texts/talk.jsonl.part"; whole "$texts/talk.jsonl"
fi
if [ ! -f "$texts/open.jsonl" ]; then
  for file in "$texts"/train/open-*.jsonl; do
    case $file in *mit-restaurant*|*mit-movie-eng*) head -n 700 "$file" ;; *) head -n 420 "$file" ;; esac
  done > "$texts/open.jsonl.part"
  whole "$texts/open.jsonl"
fi

voices=${VOICES:-"hibari:us=4,hibari:gb=1.5,flite:awb=1.2,flite:rms=1.6"}
augment="speed=0.4,reverb=0.15,noise=0.25,telephone=0.1,gain=0.5"
for name in talk open; do
  unislu synthesize "$texts/$name.jsonl" "$speech/$name" --voices "$voices" --augment "$augment" --speed 0.98-1.3 --seed 0
done

# Ears, first stage: the padded Whisper teaches audio of true length.
noise="noise=0.2,reverb=0.06,telephone=0.08,gain=0.5,silence=0.85"
unislu tools augment "$speech/real" "$DATA/speech/real-train/manifest.jsonl" --clips "${CLIPS:-900}" --augment "$noise"
unislu tools augment "$speech/real-2" "$DATA/speech/real-train/manifest.jsonl" --clips "${CLIPS:-1000}" --augment "$noise" --seed 5
spoken=()
for name in slue-train mit-restaurant mit-movie-eng mit-movie-trivia talk open meld-train sst-train; do
  spoken+=("$speech/$name/manifest.jsonl")
done
unislu tools cache --encoder "$WHISPER_BASE" "$WORK/ears-cache" "$speech"/{real,real-2,no-speech}/manifest.jsonl "${spoken[@]}"
ears() { CACHE=$WORK/ears-cache train "$1"; }
ears ears
[ -f "$WORK/pair-1/manifest.json" ] || unislu tools compose "$WORK/bundle" "$RUNS/default-base-ears/last" "$WORK/pair-1"

# Second stage: names and figures of clips whose words are known, in the spelling that the first stage writes.
for manifest in "${spoken[@]}"; do
  [ -f "$(dirname "$manifest")/right.jsonl" ] || unislu tools transcripts "$WORK/pair-1" "$manifest"
done
ears ears-2
# Half-way back hears real speech better and the domains' names as well.
half=$RUNS/default-base-ears-half
[ -f "$half/tokenizer.json" ] || unislu tools average "$RUNS/default-base-ears/last=0.4" "$RUNS/default-base-ears-2/last=0.6" "$half"

# Third stage: the names of films and dishes again, real speech held where it is, and half of that.
ears ears-3
[ -f "$WORK/ears/tokenizer.json" ] || unislu tools average "$half=0.5" "$RUNS/default-base-ears-3/last=0.5" "$WORK/ears"

# The tagger, on those transcripts.
encoder=$WORK/encoder_hidden.onnx
unislu tools cache --encoder "$encoder" "$CACHE" "${spoken[@]}"
train tags

# And over other sentences of many types, calls and sentiments, whose texts are given as annotated.
more=$WORK/more-texts
if [ ! -d "$more" ]; then
  python "$here/talk_texts.py" "$more.part" --count "${CLIPS:-6000}" --seed 7
  mv "$more.part" "$more"
fi
# Not `tail | head`: head ends first where a file is long, and pipefail takes that for an error.
if [ ! -f "$more/open.jsonl" ]; then
  sed -s -n 421,1920p "$texts"/train/open-*.jsonl > "$more/open.jsonl.part"; whole "$more/open.jsonl"
fi
if [ ! -f "$more/talk.jsonl" ]; then
  head -q -n 650 "$more"/train/talk-*.jsonl > "$more/talk.jsonl.part"; whole "$more/talk.jsonl"
fi
for name in open talk; do
  unislu synthesize "$more/$name.jsonl" "$speech/$name-2" --voices "$voices" --augment "$augment" --speed 0.98-1.3 --seed 0
  unislu tools cache --encoder "$encoder" "$CACHE" "$speech/$name-2/manifest.jsonl"
done
train tags-2
words=$WORK/words.txt
unislu tools prune "$RUNS/default-base-tags-2/last" "$RUNS/default-base-tags-pruned" "$words" "$texts"/train/*.jsonl "$more"/train/*.jsonl
unislu export "$RUNS/default-base-tags-pruned" "$WORK/tags" --quantize int8 --facts "$here/facts.json"
unislu tools compose "$WORK/tags" "$WORK/ears" "$WORK/pair"
