"""Convert WordNet 3.0 to the one file that ships with the package: words, senses and relations.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    python -m research.scripts.build_lexicon wordnet/usr/share/wordnet

The file is UTF-8 text in gzip, the same bytes every time. Its first line states form and version.
Then come sections, each a line `== name count` and that many lines:

* synsets: `letter offset lexname-number TAB lemma,lemma TAB symbol[i.j]target ...`, with the target
  as line number of this section. i and j number the words of source and target for relations
  between words (antonyms), from 1.
* words: `lemma TAB letter line,line:count,count ...`: senses, most frequent first, with their
  counts in SemCor.
* exceptions: `letter form lemma ...`: irregular inflections.
"""

import argparse
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from finereel.io import ASSETS
from finereel.io.atomic import write_file

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
KEPT = ("!", "@", "@i", "~", "~i", "#m", "#s", "#p", "%m", "%s", "%p", "*", ">", "$", "&", "^", "=")
OUT = ASSETS / "lexicon" / "wordnet30.txt.gz"
HEADER = "finereel-lexicon 1 WordNet-3.0"
Key = tuple[str, str]  # letter of the part of speech, byte offset


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a WordNet file below its licence, which is indented."""
    with path.open(encoding="latin-1") as file:
        yield from (line for line in file if not line.startswith("  "))


def synset_of(line: str) -> tuple[str, list[str], list[tuple[str, str, Key]]]:
    """One line of a data file: lexname number, lemmas, and (symbol, words, target) of the relations
    that are kept.
    """
    fields = line.split("|")[0].split()
    count = int(fields[3], 16)
    lemmas = [fields[4 + 2 * index] for index in range(count)]
    at, pointers = 5 + 2 * count, []
    for index in range(int(fields[4 + 2 * count])):
        symbol, offset, letter, words = fields[at + 4 * index : at + 4 * index + 4]
        between = "" if words == "0000" else f"{int(words[:2], 16)}.{int(words[2:], 16)}"
        if symbol in KEPT:
            pointers.append((symbol, between, (letter.replace("s", "a"), offset)))
    return fields[1], lemmas, pointers


def synset_lines(folder: Path) -> tuple[list[str], dict[Key, int]]:
    """The section `synsets`, and where each synset stands in it."""
    read = {
        (letter, line.split(" ", 1)[0]): synset_of(line)
        for letter, name in FILES.items()
        for line in read_lines(folder / f"data.{name}")
    }
    place = {key: number for number, key in enumerate(read)}
    lines = []
    for (letter, offset), (lexname, lemmas, pointers) in read.items():
        relations = " ".join(
            f"{symbol}{words}:{place[target]}" for symbol, words, target in pointers
        )
        lines.append(f"{letter} {offset} {lexname}\t{','.join(lemmas)}\t{relations}")
    return lines, place


def sense_counts(folder: Path) -> dict[tuple[str, str], dict[int, int]]:
    """(letter, lemma) -> number of the sense -> how often it was tagged."""
    letters, counts = (
        dict(zip("12345", "nvara", strict=True)),
        defaultdict[Key, dict[int, int]](dict),
    )
    for line in read_lines(folder / "cntlist.rev"):
        key, number, count = line.split()
        lemma, _, rest = key.partition("%")
        counts[letters[rest[0]], lemma][int(number)] = int(count)
    return counts


def word_lines(folder: Path, place: dict[Key, int]) -> list[str]:
    """The section `words`, sorted."""
    counts, words = sense_counts(folder), defaultdict[str, list[str]](list)
    for letter, name in FILES.items():
        for line in read_lines(folder / f"index.{name}"):
            fields = line.split()
            lemma, senses = fields[0], fields[-int(fields[2]) :]
            numbers = ",".join(str(place[letter, offset]) for offset in senses)
            tagged = [
                str(counts[letter, lemma].get(number, 0)) for number in range(1, len(senses) + 1)
            ]
            shown = re.sub(r"(,?0)+$", "", ",".join(tagged)) if set(tagged) != {"0"} else ""
            words[lemma].append(f"{letter} {numbers}" + (f":{shown}" if shown else ""))
    return ["\t".join((lemma, *entries)) for lemma, entries in sorted(words.items())]


def exception_lines(folder: Path) -> list[str]:
    """The section `exceptions`."""
    return [
        f"{letter} {line.strip()}"
        for letter, name in FILES.items()
        for line in read_lines(folder / f"{name}.exc")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "wordnet", type=Path, help="the folder with data.noun, index.noun, noun.exc, cntlist.rev"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    synsets, place = synset_lines(arguments.wordnet)
    sections = {
        "synsets": synsets,
        "words": word_lines(arguments.wordnet, place),
        "exceptions": exception_lines(arguments.wordnet),
    }
    lines = [HEADER]
    for name, section in sections.items():
        lines += [f"== {name} {len(section)}", *section]
    data = gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=9, mtime=0)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_file(arguments.out, data)
    print(
        f"{arguments.out.name}: {len(data) / 2**20:.1f} MiB, "
        + ", ".join(f"{len(s):,} {n}" for n, s in sections.items())
    )


if __name__ == "__main__":
    main()
