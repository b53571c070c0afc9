"""Writes python.json: what Jinja2 and Python make of expressions that a chat template may have.

    python python.py            (needs transformers and jinja2)

Each case is a template, rendered by transformers' own environment with VARIABLES, and its text, or null if that is an error. With
`--characters` it writes engine/model/jinja/unicode.txt instead: what Python knows about characters and Rust does not.
"""

import copy
import datetime
import itertools
import json
import pathlib
import re
import sys
import unicodedata

from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = pathlib.Path(__file__).parent

VARIABLES = {
    "s": "The quick-brown fox  jumps. ",
    "u": "naïve Ωmega ǆungla ŉ straße ﬁ ΑΣ",
    "odd": ["a\u00a0b", "\u200b\u200d", "\u2028", "👩\u200d👧", "\u0301e", "\ud7a3", "\ue000", "\x7f\x85", "tab\t'q'", "\"'", "\U0001f9ff", "\ufeff", "\u00ad"],
    "n": 12345678901234567890123,
    "m": -170141183460469231731687303715884105727,
    "x": 2.675,
    "words": ["b", "A", "c", "a", "B"],
    "numbers": [3, 1, 2.5, True, -4],
    "d": {"b": 1, "a": [1, {"z": None}], "C": "x", "items": 7},
    "people": [
        {"name": "Ada", "age": 36, "home": {"city": "Turin"}},
        {"name": "bo", "age": 7, "home": {"city": "Oslo"}},
        {"name": "Cy", "age": 36, "home": {"city": "turin"}},
        {"name": "Di", "home": {}},
    ],
    "html": "<b>it's \"so\" & so</b>",
    "none": None,
    "text": "one\ntwo\r\n\n  three\x0bfour\u2028five",
    "long": "A well-known em-dash--here it is--and averyveryverylongwordindeed that-goes-on. So it is said, and so it ends up being done.",
}


def methods():
    """Text methods with their arguments."""
    texts = ["'abc'", "''", "' a b '", "'aXbXc'", "s", "u", "'-42'", "'+7.5'", "'a\\tb\\tc'", "'ǅ'", "'ΑΣ ΟΔΟΣ'", "'x_y z'", "'١٢٣'", "'²½一'", "'Ab cD'", "'AB'", "'\\u00a0\\u2003'", "'if'", "'a.b.c.d'"]
    plain = ["capitalize", "casefold", "lower", "upper", "swapcase", "title", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier",
             "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines"]
    for name, text in itertools.product(plain, texts):
        yield f"{{{{ [{text}.{name}()] }}}}"
    calls = """
        center(9) center(10, '*') center(2) center(-1) ljust(8, '.') rjust(8) rjust(8, 'é') zfill(6) zfill(0) zfill(-3) expandtabs() expandtabs(3) expandtabs(0)
        split('X') split('X', 1) split(' ', -1) split(none, 1) split(sep='X', maxsplit=1) split('') rsplit('X', 1) rsplit(none, 1) rsplit('.', 2) rsplit('X', 0) rsplit(maxsplit=1)
        partition('X') rpartition('X') partition('nope') rpartition('nope') partition('') splitlines(true) splitlines(keepends=true)
        find('b') find('') find('b', 2) find('b', -2) find('b', 0, 1) find('z') rfind('X') rfind('') index('b') rindex('X') count('X') count('') count('b', 1, 9)
        startswith('a') startswith(('x', 'a')) startswith('') startswith('b', 1) startswith('a', 9) endswith('c') endswith(('z', 'c')) endswith('b', 0, 2) startswith(['a']) startswith(1)
        replace('X', '--') replace('', '.') replace('X', '', 1) replace('X', 'y', 0) replace('X', 'y', -1) replace('X', 1) removeprefix('a') removesuffix('c') removeprefix('') removesuffix('')
        strip('a') strip('abc ') lstrip('a ') rstrip('c ') strip(none) join(['1', '2']) join('xyz') join([]) join([1]) join({'k': 1, 'l': 2}) translate({97: 'A', 98: none, 99: 120})
        encode('utf-8') nothing() upper(1) strip(1) center('9') center() ljust(5, 'ab') append('x') __len__() format_map({'a': 1})
    """.split("\n")
    for call in [c for line in calls for c in re.findall(r"\w+\((?:[^()]|\([^()]*\))*\)", line)]:
        for text in ["'abc'", "'aXbXc'", "''", "s", "'-42'", "u"]:
            yield f"{{{{ [{text}.{call}] }}}}"
    for text in ["'ab'.maketrans('ab', 'xy')", "'ab'.maketrans({'a': 'x', 98: none})", "'ab'.maketrans('a', 'b', 'c')", "'abc'.translate('x'.maketrans('ab', 'xy', 'c'))"]:
        yield f"{{{{ {text} }}}}"
    for text in ["text.splitlines()", "text.splitlines(true)", "text.split()", "text | indent", "text | wordcount", "text | indent(2, true, true)"]:
        yield f"{{{{ {text} }}}}"


def collections():
    """Lists, tuples, mappings, numbers and what is inside of them."""
    # A bar inside of an expression is a filter, so expressions are cut where two of them meet without a blank.
    for text in re.split(r"(?<! )\|(?! )|\n", COLLECTIONS):
        if text.strip():
            yield f"{{{{ {text.strip()} }}}}"


COLLECTIONS = """
[1, 2, 1].count(1)|[1, 2, 1].index(1)|[1, 2, 1].index(1, 1)|[1, 2].index(9)|[1, 2].copy()|(1, 2).count(2)|(1, 2).index(2)|[1, 2].append(3)|[3, 1].sort()|[1].pop()|[1].clear()|[1].extend([2])
d.get('b')|d.get('zz')|d.get('zz', 4)|d.get(none)|d.get([1])|d.keys()|d.values()|d.items()|d.keys() | list|d.items() | list|d.copy()|d.pop('b')|d.update({'q': 1})|d.setdefault('q', 1)|d.clear()|d.popitem()
d.items|d['items']|d.b|d['b']|d['zz']|d.zz|d.zz.y|d['zz']['y']|d['a'][1].z|d['a'][-1]['z']|d['a'][9]|d['a']['x']|d['a'][1.0]|d[0]|d[[1]]|d.items is defined|d.keys is callable|d.__class__|d.__class__ is defined|d.__len__()|{}.update is defined
{1: 'a', 1.0: 'b', true: 'c'}|{'a': 1}['a']|{(1, 2): 'x'}[(1, 2)]|{[1]: 2}|{none: 1}[none]|{1.5: 2}|{'a': {'b': {'c': [1, (2,), ()]}}}|dict(a=1, b=2)|dict({'x': 1}, y=2)|dict([('a', 1), ('b', 2)])|dict.fromkeys(['a', 'b'], 0)|dict([1])
range(3)|range(1, 10, 3)|range(3) | list|range(5)[1:3]|range(5)[-1]|range(5) | length|3 in range(5)|range(5, 0, -2) | list|range(0)|range(100001)|range(1, 2, 0)|range(2) == range(0, 2)|range(10)[::3]|range(3).start|range(4).index(2)|range('a')
'abc'[0]|'abc'[-1]|'abc'[5]|'abc'[1:]|'abc'[::-1]|'abc'[::2]|'abc'[-2:]|'abc'['upper']()|'abc'[true]|'abc'[1.0]|'abc'[none]|'héllo'[1:3]|[1, 2, 3][1:]|[1, 2, 3][::-1]|(1, 2, 3)[1:]|[1, 2, 3][5:]|[1, 2, 3][:-1]|[1, 2, 3]['a']|none[0]|5[0]|d[1:2]|[1, 2][::0]
(1, 2)|(1,)|()|[]|{}|[none, true, 1.0]|[[1, [2, [3]]]]|((1, 2), [3])|[undefined_name]|[s, x]|odd|odd | list|{'k': odd}|(odd[0], odd[1])|odd | join('-')|odd | tojson|odd | tojson(true)|odd | tojson(ensure_ascii=true, indent=1)
(5).bit_length()|true.bit_length()|x.is_integer()|(2.0).is_integer()|n.bit_length()|(7).real|(7).imag|x.real|(5).conjugate()|(6).as_integer_ratio()|(5).to_bytes(2, 'big')
people[0].home.city|people[3].home.city|people[3].home.city.name|people[3].age|people | length|people | first|people | last|(people | first).name|people[0].keys() | list|people[0].items() | list
[1, 2] == [1, 2]|[1, 2] == (1, 2)|(1, 2) == (1, 2)|{'a': 1} == {'a': 1.0}|'a' == 'a'|1 == 1.0|1 == true|0 == false|none == none|none == undefined_name|undefined_name == other_name|'1' == 1|[1] != [2]|[1, 2] < [1, 3]|(1, 2) < (1, 2, 0)|[1] < ['a']|'a' < 'B'|'a' < 1|none < 1|1 < 2.5|2 <= 2|true < 2|[] < [1]|{} < {}|n > 1e22|n == 12345678901234567890123|9007199254740993 == 9007199254740992.0|9007199254740993 > 9007199254740992.0
1 < 2 < 3|1 < 3 < 2|1 < 2 > 0|3 > 2 >= 2 != 1|1 == 1 == 1|'a' in 'abc' in ['abc']|1 in [1, 2] == true
'a' in 'abc'|'' in 'abc'|1 in 'abc'|1 in [1]|true in [1]|1.0 in (1, 2)|'b' in d|'zz' in d|'zz' not in d|[1] in d|none in [none]|1 in none|1 in undefined_name|'a' in d.keys()|7 in d.values()|('b', 1) in d.items()|1 not in [2]
not 1|not ''|not []|not undefined_name|not none|not 0.0|1 and 2|0 or 'x'|'' or none|1 if true|(1 if false)|'a' if 0 else 'b'|not not 5|none and 1
namespace(a=1)|namespace(a=1).a|namespace().b|namespace({'a': 1}).a|namespace(_x=1)|cycler('a', 'b').next()|cycler()|joiner()()|lipsum()|undefined_name()|5()|'a'()|undefined_name.x()|undefined_name|undefined_name.x|undefined_name['x']|undefined_name ~ 1|undefined_name + 1|1 + undefined_name|undefined_name | length|undefined_name | list|-undefined_name|undefined_name[0]|undefined_name[1:]
"""


def arithmetic():
    numbers = ["7", "-7", "2", "0", "2.5", "-0.5", "true", "1e16", "n", "m", "'ab'", "[1]", "none"]
    for a, sign, b in itertools.product(numbers, ["+", "-", "*", "/", "//", "%", "**"], numbers):
        # Python would compute numbers that fill the memory.
        if not (sign in ("**", "*") and (b in ("n", "m", "1e16") or sign == "*" and a in ("n", "m", "1e16"))):
            yield f"{{{{ {a} {sign} {b} }}}}"
    for text in ["-n", "-m", "-true", "-'a'", "-x", "- -5", "2 ** 3 ** 2", "-2 ** 2", "1 + 2 * 3", "(1 + 2) * 3", "7 // 2 * 2", "10 % 4 ** 2", "1 - -1", "1 ~ 2 + 3", "1 + 2 ~ 3", "5 % 3 - 1", "2 ** 100", "2 ** 127", "10 ** 30",
                 "0.1 + 0.2", "1e300 * 1e10", "-1e300 * 1e10", "1e308 * 10 - 1e308 * 10", "1 / 3", "100 / 7", "1e22", "1e21 + 1", "123456789.123456789", "1.0", "1.50", "0.00001", "0.0001", "1e-7", "1_000", "0x1f", "0b101", "0o17", "1.5e3", "1E3", "5e-324",
                 "(1, 2) * 2", "2 * 'ab'", "'ab' * -1", "[1] * 2 + [2]", "(1,) + (2,)", "[1] + (2,)", "'a' + 1", "1 + 'a'", "'a' - 'b'", "[2] - [1]", "{} + {}", "'a' ~ none ~ true ~ 1.0 ~ [1] ~ (1,) ~ {'a': 1}", "7.5 // 2", "-7.5 // 2", "7.5 % -2", "-7.5 % 2", "1e308 // 0.1", "0.0 == -0.0", "-0.0", "0 * -1.0", "5 // -0.3", "1 % 1e308"]:
        yield f"{{{{ {text} }}}}"


def formats():
    values = ["7", "-7", "0", "2.5", "-0.126", "1e20", "1e-10", "true", "'ab'", "none", "n", "[1]"]
    for code, value in itertools.product(["%s", "%r", "%d", "%i", "%x", "%X", "%o", "%#x", "%f", "%.2f", "%10.3f", "%-10d|", "%+d", "% d", "%05d", "%e", "%.3e", "%g", "%G", "%.3g", "%c", "%5s|", "%-5s|", "%.1s", "%%", "%5%", "%y", "%a"], values):
        yield f"{{{{ '{code}' % {value} }}}}" if code != "%%" else f"{{{{ '100%%' % () }}}}"
    for text in ["'%s %s' % (1, 2)", "'%s' % (1, 2)", "'%s %s' % 1", "'%(a)s' % {'a': 5}", "'%(a)05.1f' % {'a': 5}", "'%(zz)s' % {'a': 5}", "'%*d' % (5, 3)", "'%.*f' % (1, 2.55)", "'x' % {}", "'x' % []", "'x' % 1", "'x' % 'y'", "'%' % 1", "'%s' % 'é'", "'%a' % 'é'",
                 "'%s, %s!' | format('a', 'b')", "'%(g)s' | format(g='x')", "'%d' | format(3.9)", "'%s' | format", "'%s' | format(1, 2)", "1 | format", "'%s' | format((1, 2))"]:
        yield f"{{{{ {text} }}}}"
    specs = ["", "5", "<5", ">5", "^5", "*^7", "05", "+", " ", "+.2f", ".3", ".0f", "#.0f", "e", ".1e", "g", ".3g", "G", "%", ".1%", "d", "x", "#x", "X", "#o", "b", "#010b", "c", ",", ",d", "_", "_x", ",.2f", "010,d", "n", "s", ".2s", "=+8", "q", "5.", "é<6", "08.3f", "<08", "0>6", "-^9"]
    for spec, value in itertools.product(specs, ["42", "-42", "3.14159", "-1234567.891", "'abc'", "true", "none", "1e100"]):
        yield f"{{{{ '{{:{spec}}}'.format({value}) }}}}"
    for text in ["'{}'.format(1)", "'{} {}'.format(1, 2)", "'{0}{1}{0}'.format('a', 'b')", "'{a}'.format(a=1)", "'{}'.format()", "'{0}{}'.format(1, 2)", "'{}{0}'.format(1, 2)", "'{{}}'.format(1)", "'{'.format(1)", "'}'.format(1)", "'{a.b}'.format(a={'b': 1})", "'{a[b]}'.format(a={'b': 1})", "'{0[1]}'.format([1, 2])",
                 "'{!r}'.format('a')", "'{!s:>4}'.format('a')", "'{!a}'.format('é')", "'{!x}'.format(1)", "'{:{}}'.format('a', 5)", "'{:{w}.{p}f}'.format(3.14159, w=8, p=2)", "'{x}'.format(**{'x': 1})", "'{}'.format([1, 'a'])", "'{0.__class__}'.format(1)", "'{zz}'.format(a=1)", "'{5}'.format(1)", "'{a}{b}'.format_map({'a': 1, 'b': 2})", "'{:5}|{:<5}|{:>5}'.format('a', 'b', 'c')", "'{:5}|'.format(none)", "'{}'.format(undefined_name)", "'{:>{n}}'.format(1, n=3)", "'{:x<{}}'.format(1, 3)"]:
        yield f"{{{{ {text} }}}}"


def filters():
    """Every filter on every kind of value, and then with its arguments."""
    from jinja2.filters import FILTERS

    values = ["'abc'", "''", "s", "u", "html", "5", "-2.7", "true", "none", "undefined_name", "words", "numbers", "[]", "d", "{}", "(1, 2)", "range(3)", "n", "odd", "text", "d.items()", "words | map('upper')"]
    for name, value in itertools.product(sorted(FILTERS), values):
        if name != "random":
            yield f"{{{{ {value} | {name} }}}}"
            yield f"{{{{ {value} | {name} | list }}}}"
    for text in FILTER_CALLS.strip().split("\n"):
        yield f"{{{{ {text} }}}}"


FILTER_CALLS = """
words | batch(2) | list
words | batch(2, 'x') | list
words | batch(0) | list
words | batch(9, none) | list
words | batch('a') | list
words | batch | list
'abcde' | batch(2) | map('join') | list
words | slice(2) | list
words | slice(3, 'x') | list
words | slice(0) | list
words | slice(9) | list
words | slice(-1) | list
'abc' | center(9)
'abc' | center
5 | center(4)
none | center(9)
'abc' | center('a')
none | default('x')
'' | default('x')
'' | default('x', true)
undefined_name | default
undefined_name | d(1)
0 | default(2, boolean=true)
undefined_name | default(default_value=[1])
d | dictsort
d | dictsort(true)
d | dictsort(false, 'value')
d | dictsort(by='key', reverse=true)
d | dictsort(by='zz')
{'b': 1, 'A': 2, 'a': 3} | dictsort
{'b': 1, 'A': 2, 'a': 3} | dictsort(true)
{'b': 2, 'a': 1} | dictsort(by='value', reverse=true)
{1: 2, 'a': 3} | dictsort
1000 | filesizeformat
1 | filesizeformat
0 | filesizeformat
999 | filesizeformat
999999 | filesizeformat
1024 | filesizeformat(true)
1500000 | filesizeformat(binary=true)
'123456' | filesizeformat
1e30 | filesizeformat
-5 | filesizeformat
2.7 | filesizeformat
'x' | filesizeformat
'1e3' | float
'x' | float(2)
' 1_0.5 ' | float
'inf' | float
'nan' | float
'1__0' | float
'٣.٥' | float
n | float
'x' | float('y')
'42' | int
'42.9' | int
' -7 ' | int
'x' | int
'x' | int(5)
'0x1f' | int(0, 16)
'1f' | int(base=16)
'101' | int(base=2)
'0b101' | int(0, 2)
'0o17' | int(0, 8)
'0x1f' | int(0, 0)
'1_000' | int
'1__0' | int
'٣' | int
'1e3' | int
'12345678901234567890123' | int
1e20 | int
3.99 | int
-3.99 | int
none | int
[1] | int
'inf' | int
('inf' | float) | int
('nan' | float) | int(7)
'12' | int(0, 99)
'' | int
'-' | int
'0012' | int
'z' | int(0, 36)
people | groupby('age') | list
people | groupby('age', default=0) | list
people[:3] | groupby('home.city') | list
people[:3] | groupby('home.city', case_sensitive=true) | map('first') | list
(people[:3] | groupby('home.city'))[0].grouper
(people[:3] | groupby('home.city'))[0].list | length
people | groupby('zz') | length
[(1, 'a'), (2, 'b'), (1, 'c')] | groupby(0) | list
people | groupby | list
'a\\nb' | indent
'a\\nb' | indent(2)
'a\\n\\nb' | indent(2, blank=true)
'a\\nb' | indent('> ', true)
'a\\nb\\n' | indent(1)
'a\\nb' | indent(-2)
'a\\nb' | indent(width=none)
'' | indent(2, true)
[1, 2] | join
[1, 2] | join('-')
people | join(', ', attribute='name')
people | join(attribute='age', d='/')
people | join(', ', 'home.city')
d | join('-')
'abc' | join('-')
[1, none, 'a', [2]] | join('|')
[1, 2] | join(3)
5 | join
none | join
(1, 2) | join('-')
people | map(attribute='name') | list
people | map(attribute='home.city') | list
people | map(attribute='age', default=0) | list
people | map(attribute='zz', default='q') | list
people | map(attribute='name', zz=1) | list
people | map | list
words | map('upper') | list
words | map('replace', 'a', 'x') | list
numbers | map('round', 1) | list
numbers | map('string') | list
[[1, 2], [3]] | map('join', '-') | list
[[1, 2], [3]] | map(attribute=0) | list
[[1, 2], [3]] | map('first') | join
words | map('nope') | list
words | map('center', 5) | list
words | map('default', 'x') | list
words | map('tojson') | list
['1', 'x'] | map('int', default=9) | list
numbers | max
numbers | min
words | max
words | min
words | max(case_sensitive=true)
words | min(true)
people[:3] | max(attribute='age')
people[:3] | min(attribute='name')
people | max(attribute='age')
[] | max
[1, 'a'] | max
[2, 1.0, 1] | min
words | reject('in', ['a', 'b']) | list
words | reject | list
numbers | reject('odd') | list
numbers | select('gt', 1) | list
numbers | select('>', 1) | list
numbers | select('odd') | list
numbers | select('divisibleby', 2) | list
words | select('upper') | list
words | select('equalto', 'a') | list
words | select('nope') | list
[0, 1, '', none, 'a'] | select | list
[0, 1, '', none, 'a'] | reject | list
people | selectattr('age') | map(attribute='name') | list
people | selectattr('age', 'equalto', 36) | map(attribute='name') | list
people | selectattr('age', 'defined') | map(attribute='name') | list
people | selectattr('home.city', 'eq', 'Turin') | map(attribute='name') | list
people | rejectattr('age', 'defined') | list
people | rejectattr('name', 'in', ['Ada']) | map(attribute='name') | join
people | selectattr | list
people | selectattr('age', 'gt', 10) | list
people[:3] | selectattr('age', 'gt', 10) | map(attribute='name') | list
'aXbX' | replace('X', '-')
'aXbX' | replace('X', '-', 1)
'aaa' | replace('a', 'b', count=2)
12321 | replace(2, 'x')
'abc' | replace('', '-')
'abc' | replace
none | replace('o', '0')
words | reverse | list
'abc' | reverse
(1, 2) | reverse | list
d | reverse | list
words | map('upper') | reverse
42.55 | round
42.55 | round(1)
2.675 | round(2)
0.5 | round
1.5 | round
2.5 | round
-2.5 | round
1234.5678 | round(-2)
1250 | round(-2)
1350 | round(-2)
42 | round
42 | round(2)
42.55 | round(1, 'floor')
42.55 | round(1, 'ceil')
42 | round(0, 'ceil')
-42.5 | round(0, 'floor')
42.1 | round(method='ceil')
42.1 | round(method='zz')
123.456 | round(-1, 'ceil')
'1' | round
none | round
true | round
1e300 | round(2)
0.1 | round(25)
n | round(-3)
2.5 | round(1.0)
words | sort
words | sort(reverse=true)
words | sort(case_sensitive=true)
words | sort(true, true)
numbers | sort
[1, 'a'] | sort
people[:3] | sort(attribute='age') | map(attribute='name') | list
people[:3] | sort(attribute='age,name') | map(attribute='name') | list
people[:3] | sort(attribute='age', reverse=true) | map(attribute='name') | list
people[:3] | sort(attribute='home.city') | map(attribute='name') | list
people | sort(attribute='age') | list
[[2, 'b'], [1, 'a']] | sort
[(2, 'b'), (1, 'a')] | sort(attribute=1)
'banana' | sort
d | sort
[none, none] | sort
[3, none] | sort
words | unique | list
words | unique(true) | list
people | unique(attribute='age') | map(attribute='name') | list
[1, 1.0, true, 2] | unique | list
[[1], [1]] | unique | list
[(1,), (1,)] | unique | list
numbers | sum
numbers | sum(start=10)
people[:3] | sum(attribute='age')
people | sum(attribute='age')
[[1], [2]] | sum(start=[])
words | sum
[] | sum
[1.5, 2] | sum
words | sum(start='')
'<b>' | striptags
html | striptags
'a <!-- x > y --> b' | striptags
'a < b' | striptags
'&lt;x&gt; &amp; &#39; &#x41; &copy;' | striptags
'&lt;x&gt; &amp; &#39; &#x41;' | striptags
'  a   b ' | striptags
'<!-- open' | striptags
'hello world' | title
"it's o'neil-smith (a) [b] {c} <d>" | title
'ǆ ﬁ straße' | title
'HELLO' | title
' x ' | trim
'xxaxx' | trim('x')
' x ' | trim(none)
5 | trim
'xyabcyx' | trim(chars='xy')
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, false, '...', 0)
'foo bar baz qux' | truncate(5, end='')
'foo bar baz qux' | truncate(length=6, leeway=0, end='>')
'foobarbazqux' | truncate(6, leeway=0)
'foo' | truncate(2)
long | truncate
long | truncate(40)
5 | truncate
none | truncate
long | wordwrap
long | wordwrap(20)
long | wordwrap(10)
long | wordwrap(10, false)
long | wordwrap(20, wrapstring=' / ')
long | wordwrap(12, break_on_hyphens=false)
'a  b   c d' | wordwrap(3)
'averyverylongword x' | wordwrap(5)
'well-known-thing' | wordwrap(8)
'a b\\n\\nc d e' | wordwrap(3)
'x' | wordwrap(0)
5 | wordwrap(3)
'aaa-bbb--ccc' | wordwrap(5)
'  indented text here' | wordwrap(8)
'word ' * 4 | wordwrap(9)
s | wordcount
'a-b c_d é1 — x' | wordcount
'' | wordcount
5 | wordcount
"a b/c?d=é&x" | urlencode
'~._-' | urlencode
{'a b': 1, 'c': 'é/x'} | urlencode
[('a', 1), ('b', 'x y')] | urlencode
[1, 2] | urlencode
5 | urlencode
{'class': 'x', 'n': none, 'y': 1} | xmlattr
{'class': '<"x">'} | xmlattr(false)
{'a b': 1} | xmlattr
{} | xmlattr
{'a': undefined_name, 'b': [1]} | xmlattr
d | pprint
{'b': 1, 'a': [3, (2,)]} | pprint
'abc' | pprint
long | pprint
d | attr('items') is callable
d | attr('b')
s | attr('upper') is defined
s | attr('zz') is defined
people[0] | attr('name')
namespace(a=5) | attr('a')
undefined_name | attr('x')
d | attr('__class__') is defined
html | e
html | escape
html | e | e
html | forceescape
html | e | forceescape
html | safe
html | safe | e
5 | e
none | e
[html | e]
(html | e) + '<b>'
'<b>' + (html | e)
(html | e) ~ '<b>'
(html | e) | upper
(html | e).upper()
(html | e) | length
(html | e) * 2
(html | e)[0:4] ~ ''
[(html | e).split(' ')]
(html | e) is escaped
html is escaped
('<' | e) in '&lt;'
('a' | e) == 'a'
(html | e).replace('b', 'i')
(html | e).replace('<', 'i')
(html | e) | replace('&', '<')
'%s' % ('<' | e)
('%s' | e) % '<'
(html | e) | trim
(html | e) | string is escaped
(html | e) | tojson
(html | e) | title
(html | e) | indent
(html | e) | reverse
d | tojson
d | tojson(indent=2)
d | tojson(false, 1)
d | tojson(true, none, (',', ':'))
d | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
d | tojson(separators=[', ', '='])
d | tojson(indent='--')
d | tojson(indent=0)
d | tojson(indent=-1)
d | tojson(indent=true)
d | tojson(2)
d | tojson(zz=1)
u | tojson(2)
u | tojson(ensure_ascii=true)
u | tojson(0)
n | tojson
x | tojson
[1e16, 1e-7, 1.0, -0.0] | tojson
('inf' | float) | tojson
('nan' | float) | tojson
html | tojson
'\\x08\\x0c\\x1f\\x7f\\u2028' | tojson
(1, [2]) | tojson
range(3) | tojson
range(3) | list | tojson
undefined_name | tojson
d.keys() | tojson
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
{(1, 2): 3} | tojson
{'b': 1, 1: 2} | tojson(sort_keys=true)
words | map('upper') | tojson
[] | tojson(indent=2)
{'a': {}, 'b': []} | tojson(indent=2)
words | first | upper
words | last | upper
words | map('upper') | first
words | map('upper') | last
words | map('upper') | length
words | map('upper')
words | select
words | reverse
d | items
d | items | list
words | items
'a' | items
undefined_name | items | list
5 | abs
-5.5 | abs
-n | abs
'a' | abs
'abc' | list
5 | list
none | list
d | list
5 | string
none | string
[1] | string
'a' | string
words | count
5 | length
'héé' | length
d | length
'abc' | first
'' | first
'abc' | last
[] | last | default('e')
5 | first
words | nope
'A' | lower is lower
words | random
'see http://a.b' | urlize
'%s' | format(undefined_name)
s | upper | lower | title | trim | length
1 | abs | string ~ 'x'
-1 | abs
-5 | string
2 + 3 | string
'a' ~ 5 | string | upper
words | join(', ') | upper
[3, 1] | sort | first + 1
"""


def tests():
    from jinja2.tests import TESTS

    values = ["'abc'", "'ABC'", "''", "5", "4", "0", "2.5", "true", "false", "none", "undefined_name", "[1]", "()", "d", "range(3)", "d.keys()", "words | map('upper')", "namespace()", "range", "html | e", "n", "'١'"]
    for name, value in itertools.product(sorted(t for t in TESTS if t.isidentifier()), values):
        if name in ("divisibleby", "eq", "equalto", "ne", "gt", "greaterthan", "ge", "lt", "lessthan", "le", "in", "sameas"):
            yield f"{{{{ ({value}) is {name}({'[1, 5]' if name == 'in' else 2}) }}}}"
        else:
            yield f"{{{{ ({value}) is {name} }}}}"
    for text in ["'upper' is filter", "'nope' is filter", "'odd' is test", "'nope' is test", "5 is sameas(5)", "none is sameas(none)", "true is sameas(1)", "5 is divisibleby 5", "5 is divisibleby(0)", "'a' is in 'abc'", "1 is in([1])", "'tojson' is filter", "'lines' is filter",
                 "5 is not odd", "none is not none", "5 is gt 4 and 5 is lt 6", "'a' is eq 'a'", "5 is nope", "'==' is test", "'>' is test", "d is mapping and d is iterable", "loop is defined", "s is string and s is not number"]:
        yield f"{{{{ {text} }}}}"


def statements():
    yield from """
{% for x in words %}{{ loop.index }}{{ x }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for x in 'abc' %}{{ x }}.{% endfor %}
{% for x in none %}{{ x }}{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for x in undefined_name %}{{ x }}{% else %}none{% endfor %}
{% for x in words | map('upper') %}{{ loop.length }}{{ x }}{% endfor %}
{% set g = words | map('upper') %}{{ g | list }}{{ g | list }}
{% set g = words | map('upper') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}
{% set g = words | select('upper') %}{{ g | first }}{{ g | list }}
{% if words | select('nope2') %}yes{% endif %}
{% if [] | select %}yes{% else %}no{% endif %}
{% if {}.items() %}yes{% else %}no{% endif %}
{% if range(0) %}yes{% else %}no{% endif %}
{% set a, b = (1, 2) %}{{ a }}{{ b }}
{% set a, b = [1, 2, 3] %}{{ a }}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for group in people[:3] | groupby('age') %}{{ group.grouper }}:{{ group.list | length }};{% endfor %}
{% for age, group in people[:3] | groupby('age') %}{{ age }}:{{ group | map(attribute='name') | join }};{% endfor %}
{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{{ ns.x }}
{% set ns = namespace() %}{% set ns._x = 1 %}{{ ns._x }}
{% set d.b = 5 %}{{ d.b }}
{% macro m(a, b=2, *c) %}{{ a }}{% endmacro %}{{ m(1) }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(b=3, a=4) }}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m('x') | upper }}{{ m('y') ~ 1 }}
{% macro m() %}{{ caller(5) }}{% endmacro %}{% call(x) m() %}<{{ x }}>{% endcall %}
{% filter upper %}a{{ 'b' }}{% endfilter %}
{% filter replace('a', 'x') | trim %} aaa {% endfilter %}
{% set t %}a{{ 1 }}{% endset %}{{ t ~ '!' }}{{ t | length }}
{% set t | upper %}abc{% endset %}{{ t }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}
{% for x in [1, 2, 3] if x is odd %}{{ loop.index }}{{ x }}{{ loop.last }}{% endfor %}
{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in [[1, [2]], 3] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}
{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}
{% for x in words %}{{ loop.cycle('a', 'b') }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{% endfor %}
{% for x in words %}{{ loop }}{% endfor %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{% set j = joiner(', ') %}{% for x in words %}{{ j() }}{{ x }}{% endfor %}
{% autoescape true %}{{ html }}{% endautoescape %}
{% include 'x' %}
{% include 'x' ignore missing %}
{% import 'x' as y %}
{% extends 'x' %}
{% do 1 %}
{% block a %}b{% endblock %}
{% block a %}b{% endblock %}{{ self.a() }}
{% raw %}{{ x }}{% endraw %}
{# comment #}{{- ' a ' -}} b
{%- if true -%} a {%- endif -%} b
{{ 'a' 'b' }}
{{ "\\x41\\u00e9\\n\\t\\\\\\'" }}
{{ '\\d\\.' }}
{{ 'it\\'s' }}
{{ "a\nb" }}
{{ {'a': 1,} }}{{ [1, 2,] }}{{ (1, 2,) }}
{{ d['a'][1]['z'] is none }}
{{ [1, 2, 3] | sum if true else 0 }}
{{ not true or true }}
{{ 1 if undefined_name else 2 }}
{{ undefined_name.x if undefined_name else 'n' }}
{{ (words | first) in words }}
{{ words.0 }}{{ words[0] }}
{{ -words | length }}
{{ true and 'a' or 'b' }}
{{ 'a' if 'x' in d else 'b' if 'b' in d else 'c' }}
{% if 'a' == 'a' and not (1 > 2) %}ok{% elif true %}no{% endif %}
{{ namespace(a=1).b is defined }}
{{ raise_exception('x') }}
{{ True }}{{ False }}{{ None }}{{ true }}{{ none }}
{{ people | map(attribute='home') | map(attribute='city') | select('defined') | join(', ') }}
{{ people | selectattr('home.city', 'defined') | map(attribute='home.city') | map('lower') | unique | sort | join(',') }}
{{ dict(people[0], name='x').name }}
{{ people[0].get('zz', {}).get('y', 'dd') }}
{{ (d.a | last).z is none }}
{{ messages[0].content | trim | length }}
{{ messages[0]['role'] + '!' }}
{{ messages[-1].content }}
{{ messages | tojson }}
{{ s.strip().split(' ')[0].lower().replace('t', 'T', 1)[::-1] }}
{{ [s, u] | map('length') | sum }}
{{ range(3) | map('string') | join }}
{{ words | map('upper') | list | length }}
{% set x = [] %}{% set x = x + ['a'] %}{{ x }}
{{ (1, 2) + (3,) }}{{ [1] + [2] }}
{{ ['a', 'b'].index('b') }}{{ 'abc'.index('c') }}
{{ 5 .real }}
{{ 'a'.join(words) }}
{{ {'a': 1}.items() | list | first }}
{{ {'x': 1}.x }}{{ {'x': 1}['x'] }}
{{ [[]] | length }}{{ [none] | first is none }}
{{ 1.0 | string ~ 1e3 | string }}
{{ 3 | string + '4' }}
{{ (3 | string) * 3 }}
{{ 'abc'.__class__ }}
{{ 'abc'.__class__.__name__ }}
{{ ''.__class__ is defined }}
{{ messages.append({}) }}
{{ messages[0].update({'a': 1}) }}
{{ messages[0].pop('role') }}
{{ self }}
{{ varargs }}
{{ loop }}
{{ range }}
{{ dict }}
{{ s.upper }}
""".strip().split("\n")


def strftime():
    """Dates as the C library writes them: format, seconds since 1970, text."""
    codes = list("aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%")
    formats = [f"%{code}" for code in codes] + [f"%{flag}{code}" for flag in "-_0^#" for code in codes if code not in "zZ%ntcDFrRTxX+"]
    formats += ["%10Y", "%_5d", "%-10d", "%05S", "%8b", "%^8b", "%Ey", "%Od", "%EY", "%OH", "%-S", "%-I:%M %p", "%d %b %Y", "%A, %B %d", "%", "a%", "%%%%", "é %Y"]
    times = [0, 5, 59, 951782399, 951782400, 1735689599, 1739000000, 4107542400, 1704067200, 1230768000, 1262304000, 1483228800 + 3600 * 13]
    for text, time in itertools.product(formats, times):
        moment = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).replace(tzinfo=None)
        if "%s" in text or "%-s" in text or text in ("%_s", "%0s", "%^s", "%#s"):
            continue
        yield [text, time, moment.strftime(text)]


def characters():
    every = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    lines = [
        "title " + " ".join(f"{c}={c.title()}" for c in every if c.title() != c.upper()),
        "casefold " + " ".join(f"{c}={c.casefold()}" for c in every if c.casefold() != c.lower()),
        "numeric " + " ".join(c for c in every if c.isnumeric() and unicodedata.category(c) not in ("Nd", "Nl", "No")),
        "digit " + " ".join(c for c in every if c.isdigit() and not c.isdecimal()),
    ]
    (HERE.parent.parent / "engine/model/jinja/unicode.txt").write_text("\n".join(lines) + "\n")


MESSAGES = [{"role": "user", "content": " Hi <b>. "}, {"role": "assistant", "content": "Yes."}]


def main():
    kinds = {"methods": methods, "collections": collections, "arithmetic": arithmetic, "formats": formats, "filters": filters, "tests": tests, "statements": statements}
    made = {}
    for kind, templates in kinds.items():
        cases = []
        for template in dict.fromkeys(templates()):
            try:
                text = _compile_jinja_template(template).render(messages=copy.deepcopy(MESSAGES), **copy.deepcopy(VARIABLES))
            except Exception:
                text = None
            # Python's own addresses are different each time.
            if text is None or " at 0x" not in text:
                cases.append([template, text])
            else:
                cases.append([template, None])
        made[kind] = cases
        print(kind, len(cases), "cases,", sum(text is None for _, text in cases), "of them errors")
    head = json.dumps({"variables": VARIABLES, "messages": MESSAGES}, ensure_ascii=True)[:-1]
    body = ",\n".join(f'"{kind}": [\n' + ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases) + "]" for kind, cases in made.items())
    dates = ",\n".join(json.dumps(case) for case in strftime())
    (HERE / "python.json").write_text(f'{head},\n{body},\n"dates": [\n{dates}]}}\n')


characters() if "--characters" in sys.argv else main()
