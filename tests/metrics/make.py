"""Records what reference implementations of the answer metrics give, for tests/metrics.rs.

    python tests/metrics/make.py --clones DIR

Needs torchmetrics, rouge_score, nltk, editdistance, tiktoken, and in DIR clones of github.com/snap-research/LoCoMo,
github.com/HUST-AI-HYZ/MemoryAgentBench, github.com/wangyu-ustc/Mem-alpha and github.com/princeton-nlp/HELMET, whose evaluation code is
imported from there. Who computes what:

    exact_match, token_f1          torchmetrics.functional.text.squad (SQuAD's script), in 64 bits
    substring_exact_match          MemoryAgentBench
    substring_match                Mem-alpha's evaluation, of SQuAD
    rouge_l                        rouge_score with its stemmer
    locomo_f1                      LoCoMo, task_eval/evaluation.py
    keyword_fraction               Mem-alpha: its reward for one gold text, its evaluation for several
    parts_fraction                 Mem-alpha's evaluation, of the answer in lower case, which it forgets where there are parts
    boxed_label_strict             Mem-alpha's evaluation
    boxed_label                    nobody: stated again in this file, apart from the Rust code
    all_recalled, recall_at_k      MemoryAgentBench
    edit_distance                  editdistance
    judge_summary's verdict        HELMET
    stems                          nltk's PorterStemmer

A score is null where the reference gives it for nothing, an empty text being part of every text; there the engine differs on purpose. A summary's
is null where the reference gives none, and a text where its judge counts more than there is.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import re
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import editdistance
import torch
from nltk.stem import PorterStemmer
from rouge_score import rouge_scorer
from torchmetrics.functional.text import squad as squad_module  # noqa: F401  (the function hides the module)

SQUAD = sys.modules["torchmetrics.functional.text.squad"]
HERE = Path(__file__).parent


def load(name, path, stubs=()):
    """A module from a file of a clone, with stand-ins for imports that metrics do not use."""
    for stub in stubs:
        sys.modules.setdefault(stub, MagicMock())
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# Answers and golds that have gone wrong somewhere.
HAND = [
    ("Paris", ["Paris"]), ("paris.", ["Paris"]), ("The Paris!", ["Paris", "Lyon"]), ("in Paris, France", ["Paris"]),
    ("", [""]), ("", ["Paris"]), ("Paris", [""]), ("the", ["The"]), ("A", ["a"]), ("an apple a day", ["apple day"]),
    ("Theatre", ["the atre"]), ("an-the-a", ["x"]), ("anthem and the band", ["them and band"]), ("yes", ["yes"]),
    ("yes", ["no"]), ("yes, it is", ["yes"]), ("no", ["no one"]), ("noanswer", ["no answer"]), ("Yes!", ["yes", "no"]),
    ("red red red", ["red"]), ("red", ["red red red"]), ("red blue red blue", ["blue red blue"]), ("a a a the the", ["an"]),
    ("Zürich", ["zurich", "ZÜRICH"]), ("naïve café", ["Naïve Café"]), ("ÉCLAIR", ["éclair"]),
    ("Straße", ["strasse", "STRASSE"]), ("İstanbul", ["istanbul", "i̇stanbul"]), ("ΟΔΟΣ", ["οδος", "οδοσ"]),
    ("“Paris”", ["Paris"]), ("Paris—the capital", ["Paris capital"]), ("Paris – a city", ["Paris city"]),
    ("the—fox", ["fox", "—fox"]), ("l’amour de l'art", ["l'amour", "lamour de lart"]), ("東京", ["東京"]), ("東京タワー", ["東京"]),
    ("東京 タワー。", ["東京 タワー"]), ("住在 the 北京", ["住在 北京"]), ("서울 특별시", ["서울"]), ("москва, the столица", ["Москва столица"]),
    ("नमस्ते दुनिया", ["नमस्ते"]), ("a² b", ["² b", "a² b"]), ("the½ x", ["½ x", "the½ x"]),
    ("a\u0301 the\u0301", ["\u0301 \u0301"]), ("a_b the_c", ["ab thec"]), ("e-mail re-enter", ["email reenter"]),
    ("U.S.A.", ["USA", "U.S.A"]), ("3.14", ["314", "3.14"]), ("1,000 men", ["1000 men", "1,000 men"]),
    ("$5 & 50%", ["5 50"]), ("7 days", ["7 days.", "8 days (including the last day)"]), ("seven", ["7"]),
    ("x\u00a0y\u2003z", ["x y z"]), ("x\x1cy\x1fz", ["x y z"]), ("x\u200by", ["xy", "x y"]),
    ("tab\tand\nline", ["tab and line"]), ("\n\n", ["\t"]), ("!!!", ["?"]), ("...", ["the"]),
    ("emoji 🙂 the 🙂", ["emoji 🙂 🙂"]), ("🙂", ["🙂"]), ("C++ and C#", ["c and c", "c c"]), ("and", ["and"]),
    ("salt and pepper", ["salt pepper"]), ("cats, dogs, and birds", ["cat, dog, bird"]), ("dogs", ["a dog, a cat"]),
    ("painting, swimming", ["swimming, painting, hiking"]), (",,,", [",", "a,b"]),
    ("running quickly", ["ran quick", "runs quickly"]), ("generously flying skies", ["generous fly sky"]),
    ("studies studied studying", ["study"]), ("No information available", ["anything"]),
    ("That is NOT MENTIONED in the talk.", ["2019"]), ("not  mentioned", ["x"]),
    ("The answer is not mentioned; no information available", [""]),
    ("likely yes; she loves art", ["Yes; because she paints"]),
    ("Psychology", ["Psychology, counseling certification", "psychology; therapy"]),
    ("castle, dragon and King", ["castle, dragon, king, sword"]), ("Castle Dragon", ["castle,dragon"]),
    ("castle", ["castle", "dragon"]), ("nothing", ["castle, , dragon,"]), ("Mira; Oska; 1998", ["mira; oska;1998"]),
    ("mira lives in OSKA", ["Mira;Oska;Bem"]), ("mira", ["mira;"]), ("mira", [" mira ; oska"]),
    ("Mira Tolen", ["Mira Tolen", "M. Tolen"]), ("He moved on 7 May 2023, then left", ["7 May 2023"]),
    ("7 may", ["May 7, 2023"]), ("Answer: Paris", ["Paris"]),
    ("relational conditional rationally", ["relate condition rational"]), ("ﬁne ﬂow", ["fine flow"]), ("Ⅳ iv", ["ⅳ IV"]),
    ("Å Å", ["å å"]), ("ǅ", ["ǆ"]), ("ß", ["SS", "ss"]), ("K kelvin", ["k kelvin"]), ("\ufeffParis", ["Paris"]),
    ("don't can't", ["dont cant", "do not"]),
]

WORDS = """the a an and of in on at to for with is was are were be been has have had not no yes it its he she they we I you who what when where which
Mira Tolen Oska Bem Rufo Tal Rin Voss Lyon Paris Zürich São Łódź 東京 北京 Москва 2023 2024 7 19 1,000 3.5 50% U.S. e-mail rock'n'roll
capital river president company author painting paintings painted painter running runs ran runner studies studied studying student university
relational conditional organization organizing organized national nationality international happiness happily happier hopeful hopefulness
generously generosity flying flies fly dying dies died skies sky agreed agreement controlled controlling roll rolled rolling falling hissing
operator operate operation activity activation effective effectiveness replacement adjustment adoption communism allowance dependence
birthday May June on-time “quoted” —dash (bracket) [square] x; y; z, castle, dragon, king, sword; garden; music, violin; cello
""".split()


def pairs(rng):
    """Answers with their golds."""
    made = list(HAND)
    mangle = [str.lower, str.upper, str.title, lambda t: t, lambda t: t + ".", lambda t: "“" + t + "”",
              lambda t: t.replace(" ", "  "), lambda t: t.replace(" ", ", ")]
    while len(made) < 290:
        gold = rng.choices(WORDS, k=rng.choice([1, 1, 2, 2, 3, 5, 9]))
        answer = list(gold)
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(answer) + 1)
            change = rng.randrange(4)
            if change == 0:
                answer[at:at] = rng.choices(WORDS, k=rng.randrange(1, 8))
            elif change == 1 and answer:
                del answer[min(at, len(answer) - 1)]
            elif change == 2:
                rng.shuffle(answer)
            else:
                answer += rng.choices(answer or WORDS, k=2)
        join = rng.choice([" ", " ", " ", "; ", ", "])
        golds = [rng.choice(mangle)(join.join(gold))]
        while rng.random() < 0.25:
            golds.append(" ".join(rng.choices(WORDS, k=rng.randrange(1, 4))))
        rng.shuffle(golds)
        made.append((rng.choice(mangle)(" ".join(answer)), golds))
    for count in (300, 900, 1500):
        gold = " ".join(rng.choices(WORDS, k=count // 3))
        made.append((" ".join(rng.choices(WORDS, k=count)) + (gold if count == 900 else ""), [gold, "Mira"]))
    return made


def over_pairs(made, clones):
    bench, memalpha, reward, locomo = clones
    evaluation = object.__new__(memalpha.AgentResultsEvaluator)
    training = object.__new__(reward.NaiveRewardManager)
    rouge = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)

    def squad(function):
        return lambda answer, gold: SQUAD._metric_max_over_ground_truths(function, answer, gold).item()

    def substring(answer, gold):
        if any(not bench.normalize_answer(g) for g in gold):
            return None
        return float(bench.drqa_metric_max_over_ground_truths(bench.substring_exact_match_score, answer, gold))

    def keywords(answer, gold):
        parts = gold[0].split(",") if len(gold) == 1 else gold
        if not all(part.strip() for part in parts):
            return None
        if len(gold) == 1:
            return training._compute_score_for_data_source("booksum", answer, gold[0])
        return evaluation._compute_score("booksum", answer, gold)

    def first(answer, gold):
        return evaluation._compute_score("squad", answer, gold) if gold[0].strip() else None

    def parts(answer, gold):
        if not all(part.strip() for g in gold for part in g.split(";")):
            return None
        return max(evaluation._compute_score("perltqa", answer.lower(), g) for g in gold)

    def recalled(answer, gold):
        return float(bench._process_eventqa_dataset({"output": answer}, gold)[0]["eventqa_recall"]) if all(g.strip() for g in gold) else None

    def category(number):
        def score(answer, gold):
            return max(float(locomo.eval_question_answering([dict(prediction=answer, answer=g, category=number, evidence=[])])[0][0]) for g in gold)
        return score

    metrics = dict(
        exact_match=squad(SQUAD._compute_exact_match_score), token_f1=squad(SQUAD._compute_f1_score), substring_exact_match=substring,
        rouge_l=lambda answer, gold: rouge.score_multi(gold, answer)["rougeL"].fmeasure, keyword_fraction=keywords, parts_fraction=parts,
        substring_match=first, all_recalled=recalled, edit_distance=lambda answer, gold: float(min(editdistance.eval(answer, g) for g in gold)),
        **{f"locomo_f1 {number}": category(number) for number in range(1, 6)})
    with contextlib.redirect_stdout(io.StringIO()):
        return {name: [metric(*pair) for pair in made] for name, metric in metrics.items()}


# Answers and golds of labels that are names.
NAMED = [
    ("card_arrival", ["card_arrival"]), ("label: card_arrival", ["card_arrival"]), ("The label is card_arrival.", ["card_arrival"]),
    ("The answer is **Card_Arrival**", ["card_arrival"]), ("\\boxed{card_arrival}", ["card_arrival"]), ("card arrival", ["card_arrival"]),
    ("\\boxed{label: exchange}", ["exchange"]), ("Label = exchange", ["exchange"]), ("category 'exchange'", ["exchange", "rate"]),
    ("It is about exchange", ["exchange"]), ("exchange or rate", ["exchange"]), ("label: exchange rate", ["exchange"]),
    ("label: top_up\nlabel: exchange", ["exchange"]), ("label: exchange\nlabel: top_up", ["exchange"]), ("The label is", [""]),
    ("", ["exchange"]), ("", [""]), ("the", ["The"]), ("C. In 1924", ["D. In 1924"]), ("Answer: D. In 1924", ["D. In 1924"]), ("1924", ["In 1924"]),
]


def labels(rng, memalpha, normal):
    """[answer, golds, strict score, lenient score]"""
    forms = ["{}", "{}\n", " {} ", "label: {}", "Label: {}", "label:{}", "\\boxed{{{}}}",
             "The answer is \\boxed{{{}}}.", "\\boxed{{ {} }}", "\\boxed{{label: {}}}", "\"{}\"", "'{}'",
             "\\boxed{{\"{}\"}}", "The label is {}.", "The final answer is **{}**", "Answer: {}", "class {}",
             "category = {}", "I think {}", "{} or 9999", "see 3 and 4, label: {}", "\\boxed{{1}} no, \\boxed{{{}}}",
             "\\boxed{{{}}} not \\boxed{{1}}", "\\boxed{{}} {}", "no number", "", "{}.", "-{}", "{}.5", "0{}",
             "label {}", "label_{}", "Label: \\boxed{{{}}}", "step 1: it is a question\nlabel: {}",
             "label: {} label: 12", "４", "{} {}", "the label of 5 is {}", "answer:\n{}", "\\boxed{{{}", "labels: {}",
             "labelled {}"]
    named = re.compile(r"(?<![^\W_])(?<!_)(?:label|answer|class|category)\W{0,3}\s*(?:is|=)?[\s\"'`*_(\[{$:]*(\d+)", re.IGNORECASE)

    def number(text):
        found = named.findall(text) or [n for n in [re.findall(r"\d+", text)] if len(n) == 1 for n in n]
        return (found[-1].lstrip("0") or "0") if found else None

    def lenient(answer, gold):
        boxed = re.findall(r"\\boxed\{([^}]*)\}", answer)
        text = boxed[-1] if boxed else answer
        name = re.split(r"\b(?:label|answer|class|category)\W{0,3}\s*(?:\bis\b|=)?", text, flags=re.IGNORECASE)[-1]

        def right(one):
            digits = one.strip("\"'").strip()
            if re.fullmatch("[0-9]+", digits):
                return number(text) == (digits.lstrip("0") or "0")
            return normal(one) == normal(text) or normal(one) != "" and normal(one) == normal(name)

        return float(any(right(one) for one in gold))

    def strict(answer, gold):
        return max(evaluation._compute_score("pubmed-rct", answer, g) for g in gold)

    made = []
    evaluation = object.__new__(memalpha.AgentResultsEvaluator)
    for form in forms:
        for _ in range(6):
            label = rng.choice([0, 1, 4, 12, 76, 149])
            gold = [rng.choice([str(label), str(label), f'"{label}"', str(rng.randrange(150))])]
            if rng.random() < 0.2:
                gold.append(str(rng.randrange(150)))
            answer = form.format(*[label] * form.count("{}"))
            made.append([answer, gold, strict(answer, gold), lenient(answer, gold)])
    return made + [[answer, gold, strict(answer, gold), lenient(answer, gold)] for answer, gold in NAMED]


def recalls(rng, bench):
    """The catalogue and [answer, gold entities, recall at 1, 5 and 10]"""
    first = "Red Silent Golden Broken Last Hidden Burning Frozen Lost Iron Paper Midnight".split()
    second = "River Garden House Empire Witness Letter Voyage Orchard Machine Shadow Harbour Mirror".split()
    names = [f"http://dbpedia.org/resource/{a}_{b}_({year}_film)" for a in first for b in second for year in [rng.randrange(1950, 2020)]]
    names += ["/x/2012_(film)", "/x/Up", "/x/Spider-Man", "/x/Amélie", "/x/8_½", "/x/The_Matrix>Reloaded", "/x/Red_River_(1948_film)", "/x/Se7en"]
    entities = {name: i for i, name in enumerate(names)}
    titles = list(dict.fromkeys(bench.extract_movie_name(name) for name in names))
    made = []
    while len(made) < 220:
        shown = rng.sample(titles, rng.choice([1, 3, 6, 12, 20]))
        gold = [str(rng.randrange(len(names))) for _ in range(rng.randrange(1, 4))]
        if rng.random() < 0.7:
            shown[rng.randrange(len(shown))] = bench.extract_movie_name(names[int(gold[0])])

        def typo(title):
            for _ in range(rng.choice([0, 0, 0, 1, 2])):
                at = rng.randrange(len(title) + 1)
                title = title[:at] + rng.choice(["", "x", " "]) + title[at + rng.randrange(2):]
            return title

        style = rng.randrange(7)
        lines = [rng.choice(["", "", " (1999)", " (a (nested) one)"]).join([typo(title), ""]) for title in shown]
        if style == 0:
            answer = ", ".join(lines)
        elif style == 1:
            answer = "\n".join(lines)
        else:
            form = ["{}. {}", "{}.{}", "{}. - {}", "{}) {}", "{}、{}"][style - 2]
            answer = rng.choice(["", "I would suggest these:\n"])
            answer += rng.choice(["\n", "\n", "\n\n"]).join(form.format(i + 1, line) for i, line in enumerate(lines))
        with contextlib.redirect_stdout(io.StringIO()):
            lines = bench.extract_recommendation_list(answer)[0]
        # Which of two equally near titles the reference takes depends on the hash of strings.
        distances = [sorted(editdistance.eval(line.lower(), title.lower()) for title in titles) for line in lines[:10]]
        if any(ranked[0] == ranked[1] for ranked in distances):
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            Path("processed_data/Recsys_Redial").mkdir(parents=True)
            Path("processed_data/Recsys_Redial/entity2id.json").write_text(json.dumps(entities))
            scores = bench._process_recsys_dataset({"output": answer}, gold)[0]
        made.append([answer, [names[int(g)] for g in gold], *(scores[f"recsys_recall@{k}"] for k in (1, 5, 10))])
    return dict(titles=names, cases=made)


def summaries(rng, helmet):
    """[number of key points, the judge's three replies, score]"""

    def scored(points, replies):
        judge = MagicMock()
        judge.generate_batch = lambda prompt, batch_file: [{"output": reply} for reply in replies]
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            Path("data/infbench").mkdir(parents=True)
            Path("data/infbench/longbook_sum_eng_keypoints.jsonl").write_text(json.dumps(dict(id=0, keypoints=["It rains."] * points)))
            data = [dict(id=0, output="x", answer=["y"])]
            Path("infbench.json").write_text(json.dumps(dict(data=data, averaged_metrics={})))
            try:
                helmet.check_metrics(judge, "infbench.json", "scores.json")
            except Exception:
                return None  # It has no score, or a reply is not what it expects.
            found = json.loads(Path("scores.json").read_text())["data"][0]["gpt-4-scores"]
        return found["f1"] if found["recall"] <= 1 and found["precision"] <= 1 else "beyond"

    forms = ["{}", "Sentence 1 is supported.\n\nOutput: {}", "```json\n{}\n```", "I say {{}} and {}", "First {{\"fluency\": 0, \"recall\": 1}}. Then {}",
             "{} That is all.", "```json\n{}\n``` as said", "Output:\n\n{}\n"]
    broken = ["", "1", "no JSON", "{{}}", "{{'recall': 1}}", '{{"recall": "many", "fluency": "1", "precision": null}}', "{}}} {{"]
    made = []
    while len(made) < 240:
        points, count = rng.choice([0, 1, 3, 7, 12]), rng.choice([0, 1, 5, 22])
        recall, precision = rng.randrange(points + 1 + (rng.random() < 0.1)), rng.randrange(count + 1 + (rng.random() < 0.1))
        results = [dict(fluency=rng.choice([0, 1, 1, 1])), dict(supported_key_points=list(range(recall)), recall=recall),
                   dict(precision=precision, sentence_count=count)]
        indent = rng.choice([None, None, 2])
        replies = [rng.choice(forms if rng.random() < 0.95 else broken).format(json.dumps(result, indent=indent)) for result in results]
        made.append([points, replies, scored(points, replies)])
    return made


def stems(rng):
    """Words, and their stems as the number of letters to cut and what to put there."""
    roots = """relat condit ration val hesit digit conform radic differ vil analog vietnam predic oper feud decis hope call
        form sens tripl electr good reviv allow infer airlin gyroscop adjust defen irrit replac depend adopt
        commun activ angular homolog effect bowdler prob rat ceas control rol hop tan fall hiss fizz fail fil
        siz troubl conflat plaster bl motor s sky die tie spy enjoy play toy syzygy y by cr geo theo archae
        philo use agr f fr succ exc proc n inn out cann how new caress pon cat gas bus th run swimm stud
        univers organiz nation happ gener beaut quick slow paint teach comput learn memor retriev question
        answer polic reward naïv caf zür ö é 東 x7 abc123 w wx owl bow tax""".split()
    ends = """|s|es|ies|ed|ied|eed|ing|ings|y|ly|ily|ational|tional|ization|izer|izers|ation|ations|ator|ators|alism|iveness
        |fulness|ousness|aliti|ality|iviti|ivity|biliti|bility|ability|enci|ency|anci|ancy|ably|ibly|ally|alli
        |ently|ously|ousli|eli|ely|logi|logy|ologist|fully|fulli|icate|icated|ative|alize|alized|iciti|icity
        |ical|ically|ful|ness|nesses|al|ance|ence|er|ers|ic|able|ible|ant|ement|ements|ment|ent|ion|tion|sion
        |ism|ate|ated|ating|iti|ous|ive|ize|ized|izing|e|ee|ll|lled|lling|tt|tted|zzing|ssed|at|bled|ized|yed
        |ying|ion's|est|eth|ou|iers|ish|th|n|en|'s|age|ages""".replace("\n", "").replace(" ", "").split("|")
    words = {root + end for root in roots for end in ends}
    letters = "aaeeiioouyybcdfghlmnprstvw"
    while len(words) < 20500:
        words.add("".join(rng.choices(letters, k=rng.randrange(1, 6))) + rng.choice(ends))
    words = sorted(words)
    stemmer = PorterStemmer()

    def cut(word, stem):
        same = len(os.path.commonprefix([word, stem]))
        return f"{len(word) - same}{stem[same:]}"

    # Words share beginnings with the one before them: letters kept, then the rest.
    listed, before = [], ""
    for word in words:
        same = len(os.path.commonprefix([before, word]))
        listed.append(f"{same}{word[same:]}" if not word[same:same + 1].isdigit() else f"{same}|{word[same:]}")
        before = word
    return dict(words=" ".join(listed), stems=" ".join(cut(word, stemmer.stem(word)) for word in words))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True)
    clones = parser.parse_args().clones
    torch.set_default_dtype(torch.float64)
    rng = random.Random(4)
    bench = load("bench", clones / "MemoryAgentBench/utils/eval_other_utils.py")
    for package in ("memalpha", "memalpha.llm_agent"):
        sys.modules[package] = MagicMock()
    load("memalpha.llm_agent.metrics", clones / "Mem-alpha/memalpha/llm_agent/metrics.py")
    memalpha = load("memalpha_evaluation", clones / "Mem-alpha/evaluate_agent_results.py", ["dotenv", "openai"])
    reward_manager = MagicMock()
    # A decorator that gives the class back.
    reward_manager.register = lambda name: lambda wrapped: wrapped
    sys.modules["verl.workers.reward_manager"] = reward_manager
    reward = load("reward", clones / "Mem-alpha/verl/workers/reward_manager/naive.py",
                  ["verl", "verl.utils", "verl.utils.reward_score", "verl.workers", "requests", "dotenv", "openai", "tqdm"])
    locomo = load("locomo", clones / "LoCoMo/task_eval/evaluation.py", ["bert_score"])
    helmet = load("helmet", clones / "HELMET/scripts/eval_gpt4_summ.py", ["model_utils"])
    made = pairs(rng)
    scores = over_pairs(made, (bench, memalpha, reward, locomo))
    cases = dict(pairs=made, scores=scores, labels=labels(rng, memalpha, bench.normalize_answer), recalls=recalls(rng, bench), stemmer=stems(rng),
                 summaries=summaries(rng, helmet))
    for name, scores in cases["scores"].items():
        counted = [score for score in scores if score is not None]
        print(f"{name}: {len(counted)} cases, {len(set(counted))} different scores, mean {sum(counted) / len(counted):.3f}")
    print(f"labels: {len(cases['labels'])}, recalls: {len(cases['recalls']['cases'])}, stems: {len(cases['stemmer']['stems'].split())}")
    (HERE / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
