"""Writes orders.json: files whose sessions are in some order, and the order in which their authors' scripts read them.

    python tests/dates/make.py

LongMemEval's run_generation.py sorts sessions by their date ("sort sessions by their dates"). The dates of each format are parsed here with
the format of its files, and sorted with Python's stable sort. If a date is missing or cannot be parsed, or if some dates have a time zone
and others do not, Python raises; `order` is null then. Sessions are named S0, S1, … in the order of the file.
"""

import json
import pathlib
import random
from datetime import datetime

random.seed(3)
cases = []


def parse(text, forms):
    for form in forms:
        try:
            return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(text)


def order(dates, forms):
    if all(date is None for date in dates):
        return list(range(len(dates)))
    try:
        keys = [parse(date, forms) for date in dates]
        return sorted(range(len(dates)), key=lambda at: keys[at])
    except (TypeError, ValueError):
        return None


def case(what, file, dates, forms, lines=False):
    cases.append({"what": what, "file": file, "lines": lines, "sessions": len(dates), "order": order(dates, forms)})


LME = ["%Y/%m/%d (%a) %H:%M", "%Y/%m/%d"]
LOCOMO = ["%I:%M %p on %d %B, %Y"]
ISO = ["iso"]


def turn(at, **more):
    return {"role": "user", "content": f"S{at}.", **more}


def longmemeval(what, dates, given=None):
    """`given` is what the file says where it is not the list of dates. The last session of the file proves the answer."""
    row = {
        "question_id": "q", "question_type": "knowledge-update", "question": "Where?", "answer": "here", "question_date": "2023/07/01 (Sat) 09:00",
        "haystack_dates": dates if given is None else given,
        "haystack_session_ids": [f"s{at}" for at in range(len(dates))],
        "haystack_sessions": [[turn(at, has_answer=at == len(dates) - 1)] for at in range(len(dates))],
        "answer_session_ids": [f"s{len(dates) - 1}"],
    }
    case("longmemeval: " + what, [row], dates, LME)


def day(year, month, number, hour=10, minute=0):
    return datetime(year, month, number, hour, minute).strftime("%Y/%m/%d (%a) %H:%M")


MARCH, JUNE, MAY = day(2023, 3, 2), day(2023, 6, 20), day(2023, 5, 20, 2, 21)
longmemeval("sorted", [MARCH, MAY, JUNE])
longmemeval("the later first", [JUNE, MARCH])
longmemeval("of three, the middle last", [JUNE, MARCH, MAY])
longmemeval("one day", [day(2023, 5, 20, 23, 59), day(2023, 5, 20, 0, 0), day(2023, 5, 20, 9, 30)])
longmemeval("equal dates keep their order", [JUNE, MARCH, JUNE, MARCH, JUNE])
longmemeval("over years", [day(2024, 1, 1), day(2022, 12, 31), day(2023, 12, 31), day(2021, 6, 1)])
shuffled = [day(2023, random.randint(1, 12), random.randint(1, 28), random.randint(0, 23), random.randint(0, 59)) for _ in range(40)]
longmemeval("forty at random", shuffled)
longmemeval("a wrong weekday", ["2023/06/20 (Mon) 10:00", MARCH])
longmemeval("without leading zeros", ["2023/10/2 (Mon) 9:05", "2023/9/30 (Sat) 10:00"])
longmemeval("days without a time", ["2023/06/20", MAY, "2023/03/02"])
longmemeval("29 February of a leap year", ["2024/03/01 (Fri) 00:00", "2024/02/29 (Thu) 23:59"])
longmemeval("29 February of another year", ["2023/03/01 (Wed) 00:00", "2023/02/29 (Wed) 23:59"])
longmemeval("31 June", ["2023/06/31 (Sat) 10:00", MARCH])
longmemeval("hour 24", [JUNE, "2023/03/02 (Thu) 24:00"])
longmemeval("not a date", [JUNE, "last spring"])
longmemeval("an empty date", [JUNE, ""])
longmemeval("a date that is null", [JUNE, None, MARCH])
longmemeval("fewer dates than sessions", [JUNE, MARCH, None], [JUNE, MARCH])
longmemeval("more dates than sessions", [JUNE, MARCH], [JUNE, MARCH, MAY])
longmemeval("no dates", [None, None, None], [])
longmemeval("a date of another file", [JUNE, "1:56 pm on 8 May"])


def locomo(what, dates, numbers=None):
    numbers = numbers or range(1, len(dates) + 1)
    talk = {"speaker_a": "Ana", "speaker_b": "Bo"}
    for at, (number, date) in enumerate(zip(numbers, dates)):
        talk[f"session_{number}"] = [{"speaker": "Ana", "dia_id": f"D{number}:1", "text": f"S{at}."}]
        if date is not None:
            talk[f"session_{number}_date_time"] = date
    asked = [{"question": "Which?", "answer": "c", "evidence": [f"D{list(numbers)[-1]}:1"], "category": 4}]
    case("locomo: " + what, [{"sample_id": "c", "conversation": talk, "qa": asked}], dates, LOCOMO)


locomo("sorted", ["1:56 pm on 8 May, 2023", "1:14 pm on 25 May, 2023", "7:55 pm on 9 June, 2023"])
locomo("numbers against dates", ["7:55 pm on 9 June, 2023", "1:56 pm on 8 May, 2023", "1:14 pm on 25 May, 2023"])
locomo("noon and midnight", ["12:05 pm on 8 May, 2023", "12:05 am on 8 May, 2023", "11:59 am on 8 May, 2023", "1:00 am on 8 May, 2023"])
locomo("capitals", ["1:56 PM on 8 MAY, 2023", "1:55 pm on 8 may, 2023"])
locomo("numbers with gaps", ["1:00 am on 3 January, 2023", "1:00 am on 2 January, 2023", "1:00 am on 1 January, 2023"], [2, 9, 30])
locomo("a session without a date", ["7:55 pm on 9 June, 2023", None, "1:56 pm on 8 May, 2023"])
locomo("hour 13 of 12", ["13:56 pm on 8 May, 2023", "1:56 pm on 7 May, 2023"])
locomo("a month that is none", ["1:56 pm on 8 Maj, 2023", "1:56 pm on 7 May, 2023"])


def sessions(dates):
    return [{"messages": [turn(at)], **({} if date is None else {"timestamp": date})} for at, date in enumerate(dates)]


def membuilder(what, dates):
    asked = [{"question": "Where?", "answer": "here", "type": "single-hop"}]
    case("membuilder: " + what, {"conversations": [{"id": "c", "sessions": sessions(dates), "questions": asked}]}, dates, ISO)


membuilder("sorted", ["2024-03-15", "2024-03-22", "2024-03-29"])
membuilder("days", ["2024-03-29", "2024-03-15", "2024-03-22"])
membuilder("days and times", ["2024-03-15T10:00:00", "2024-03-15", "2024-03-14 23:59", "2024-03-15T09:59:59.5"])
membuilder("time zones", ["2024-03-15T10:00:00+02:00", "2024-03-15T09:30:00+00:00", "2024-03-15T08:30:00Z"])
membuilder("a time zone beside none", ["2024-03-16T10:00:00Z", "2024-03-15T09:30:00"])
membuilder("month 13", ["2024-13-01", "2024-03-15"])
membuilder("no dates", [None, None])
dates = ["2024-05-01", "2024-03-01", "2024-04-01"]
rows = [
    {"conversation_id": "c", "session_index": at, "session": session, "questions": [{"question": f"S{at}?", "answer": "a"}]}
    for at, session in enumerate(sessions(dates))
]
case("membuilder: session_index against dates", rows, dates, ISO, lines=True)


def memoryagentbench(what, dates):
    context = []
    for at, date in enumerate(dates):
        context += [f"Chat Time: {date}", [turn(at)]]
    haystack = [[[turn(len(dates) - 1, has_answer=True)]]]
    row = {"context": repr(context), "questions": ["Where?"], "answers": [["here"]], "metadata": {"source": "longmemeval_s*", "haystack_sessions": haystack}}
    case("memoryagentbench: " + what, [row], dates, LME)


memoryagentbench("sorted", [MARCH, MAY, JUNE])
memoryagentbench("not sorted", [JUNE, MAY, MARCH, MAY])
memoryagentbench("not a date", [JUNE, "soon", MARCH])


def memalpha(what, heading, dates, forms):
    chunks = [(f"[{heading.format(date)}]\n" if date else "") + f"<User>S{at}." for at, date in enumerate(dates)]
    asked = [{"question": "Where?", "answer": "here"}]
    case("memalpha: " + what, [{"chunks": json.dumps(chunks), "questions_and_answers": json.dumps(asked), "data_source": "lme_train"}], dates, forms)


memalpha("timestamps", "Dialogue at timestamp {}", [JUNE, MARCH, JUNE, MAY], LME)
memalpha("dialogues", "Dialogue between User and Assistant on {}", ["2024-01-03 10:00", "2024-01-02 09:00", "2024-01-02 08:00"], ISO)
memalpha("events", "Event happened on {} The user is reading a book", ["2024-02-01", "2024-01-30", "2024-01-31"], ISO)
memalpha("a chunk without a heading", "Dialogue at timestamp {}", [JUNE, None, MARCH], LME)
memalpha("no headings", "{}", [None, None], LME)

own = {
    "id": "e", "chunks": [f"[Dialogue at {date}]\nuser: S{at}." for at, date in enumerate([JUNE, MARCH, MAY])],
    "questions": [{"question": "Where?", "answers": ["here"], "evidence": [0, 2]}],
    "chunk_questions": [[{"question": f"S{at}?", "answers": ["a"], "evidence": [at]}] for at in range(3)],
}
case("episodes: headings", [own], [JUNE, MARCH, MAY], LME, lines=True)

path = pathlib.Path(__file__).with_name("orders.json")
path.write_text("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")
print(len(cases), "cases,", sum(one["order"] is None for one in cases), "without an order")
