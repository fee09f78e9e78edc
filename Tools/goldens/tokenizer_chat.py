"""Make the chat-template fixtures: what jinja2, set up as `transformers` does it, renders.

Usage: python Tools/goldens/tokenizer_chat.py   (transformers 5.23.0, jinja2 3.1.6)
"""
import datetime
import json
import os
import pathlib

os.environ["TZ"] = "UTC"
from transformers.utils import chat_template_utils  # noqa: E402  (the time zone must be set first)

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusTokenizerTests/Fixtures"
NOW = datetime.datetime(2026, 11, 23, 14, 5, 6)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedTime

TEMPLATES = {
    # SmolLM2-Instruct's own (Apache-2.0), as its GGUF file has it.
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}",
    "headers": """{{- bos_token }}
{%- set turns = messages %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{#- The system turn comes first, with today's date. #}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
Today: {{ strftime_now('%d %b %Y') }}
{% if tools is not none %}
Tools:
    {%- for tool in tools %}
{{ tool | tojson(indent=4) }}
    {%- endfor %}
{% endif %}
{{- system + '<|eot_id|>' }}
{%- for message in turns %}
    {%- if 'tool_calls' in message and message.tool_calls %}
        {%- if message.tool_calls | length != 1 %}
            {{- raise_exception('one call at a time') }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {{- '{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- '}<|eot_id|>' }}
    {%- elif message.role == 'tool' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + message.content + '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n' }}
        {{- message.content | trim ~ '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "thinking": """{%- macro text(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content is iterable and content is not mapping -%}
        {%- for part in content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- '\\n' ~ (tool | tojson) }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages | length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- if not ns.found and message.role == 'user' %}
        {%- set ns.found = true %}
        {%- set ns.last = messages | length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = text(message.content) %}
    {%- if message.role == 'assistant' %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and (loop.last or reasoning) %}
            {{- '<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content }}
        {%- for call in message.tool_calls or [] %}
            {%- if loop.first and content or not loop.first %}{{- '\\n' }}{% endif %}
            {{- '<tool_call>\\n{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.previtem and loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{% endif %}
        {{- '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{% endif %}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "brackets": """{{ bos_token }}
{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else none %}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{%- set prefix = system + '\\n\\n' if system is not none and loop.index0 <= 1 else '' %}
{{- ' [INST] ' + prefix + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}
{{- ' ' + message['content'] | trim + eos_token }}
{%- elif not loop.first %}
{{- raise_exception('only user and assistant roles are supported') }}
{%- endif %}
{%- endfor %}""",
    "renamed": """{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}
{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}""",
    "generation": """{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|im_start|>assistant\\n' }}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}

{% else %}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather", "description": "The weather <now> & \"here\", 'é'",
            "parameters": {
                "type": "object", "required": ["city"],
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
            },
        },
    }
]
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2, "exact": True, "x": None, "f": 0.5}}}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = [
    [turn("user", "Hi")],
    [turn("user", "Hi"), turn("assistant", "Hello there.")],
    [turn("system", " Be brief. "), turn("user", "Hi "), turn("assistant", " Hello\n"), turn("user", "More\n\n"), turn("assistant", "Sure {{ x }} {% y %}")],
    [turn("user", "q"), turn("assistant", "<think>\nhm\n</think>\n\nanswer"), turn("user", "r"), turn("assistant", "<think>\nso\n</think>\n\nyes")],
    [turn("user", "q"), turn("assistant", "answer", reasoning_content="step\n")],
    [turn("user", "weather?"), turn("assistant", "", tool_calls=[CALL]), turn("tool", "{\"t\": 20}"), turn("assistant", "20 degrees.")],
    [turn("user", ""), turn("assistant", "")],
    [turn("user", "日本 👩\u200d👧 e\u0301"), turn("assistant", "a\u00a0b\u2028c ﬁ")],
    [turn("assistant", "I begin"), turn("user", "u"), turn("user", "v"), turn("assistant", "w")],
    [turn("system", "only")],
]

# Each is rendered with these variables.
VARIABLES = {
    "s": "  Ab c\td\n", "u": "naïve ǅ ß ŉ 日本", "i": 7, "f": 2.5, "n": None, "t": True,
    "l": [3, 1, 2], "w": ["b", "A", "c"], "d": {"b": 1, "a": [1, {"x": "y\"'"}], "C": None}, "e": [],
    "o": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "x", "v": None}, {"v": 4}],
}

EXPRESSIONS = """
s|trim ~ '|' ~ s.strip() ~ '|' ~ s.lstrip() ~ '|' ~ s.rstrip('\\n')
'xxabxx'.strip('x') ~ 'abc'.lstrip('ba') ~ '..a.'.rstrip('.')
u|upper ~ u|lower ~ u|capitalize ~ u|title ~ u.title() ~ u.swapcase()
"o'neil-x (y) [z] {w}"|title ~ "o'neil-x (y)".title()
'a,b,,c'.split(',') ~ 'a b  c '.split() ~ 'a b c d'.split(' ', 2) ~ ' a b c'.split(none, 1)
'a,b,c'.rsplit(',', 1) ~ ' a b c '.rsplit(none, 1) ~ 'x\\ny\\r\\nz'.splitlines() ~ ''.split() ~ ''.split(',')
'a=b=c'.partition('=') ~ 'a=b=c'.rpartition('=') ~ 'abc'.partition('=')
'abcabc'.find('c') ~ 'abcabc'.rfind('c') ~ 'abc'.find('z') ~ 'aXbXc'.count('X') ~ 'abc'.index('b')
'abc'.startswith('ab') ~ 'abc'.endswith(('x', 'bc')) ~ 'abc'.startswith('') ~ 'a'.startswith('abc')
'prefix-x'.removeprefix('prefix-') ~ 'x.py'.removesuffix('.py') ~ 'x'.removesuffix('')
'a-b-c'.replace('-', '+', 1) ~ 'a-b'|replace('-', '--') ~ 'abc'.replace('', '.')
'7'.zfill(3) ~ '-7'.zfill(4) ~ 'x'.ljust(3, '.') ~ 'x'.rjust(3) ~ 'x'.center(4) ~ 'xx'.center(5, '*')
'abc'.isalpha() ~ '1²'.isdigit() ~ ' '.isspace() ~ 'ab1'.isalnum() ~ 'aB'.islower() ~ 'AB'.isupper() ~ ''.isalpha()
','.join(['a', 'b']) ~ ['a', 1, none]|join('/') ~ o|join(',', attribute='v') ~ 'abc'|join('.')
l ~ d ~ (1, 'a') ~ (1,) ~ [none, true, 1.0, 1e20, 1e-7, "it's", 'q"q', 'b\\\\', '\\x07\\u00a0']
'abcdef'[1:4] ~ 'abcdef'[::-1] ~ 'abcdef'[-2:] ~ 'abcdef'[:-2] ~ 'abcdef'[::2] ~ 'abc'[10:] ~ 'abc'[-1]
l[1:] ~ l[::-1] ~ l[-1] ~ l[:1] ~ l[5:] ~ (1, 2, 3)[1:]
l[9] is defined ~ l[9] ~ d.zz ~ d['zz'] is undefined ~ d.b ~ d['a'][1].x
d.items()|list ~ d.keys()|list ~ d.values()|list ~ d.get('b') ~ d.get('q') ~ d.get('q', 5)
d|items|list ~ d|list ~ d|length ~ 'C' in d ~ 'x' not in d ~ d.a[0]
d|dictsort ~ d|dictsort(true) ~ {'a': 2, 'b': 1}|dictsort(by='value') ~ {'a': 2, 'b': 1}|dictsort(reverse=true)
d|tojson ~ l|tojson ~ s|tojson ~ u|tojson ~ n|tojson ~ t|tojson ~ f|tojson ~ '<&>\\''|tojson
d|tojson(indent=2) ~ e|tojson(indent=2) ~ {}|tojson(indent=4) ~ u|tojson(ensure_ascii=true) ~ '👍'|tojson(ensure_ascii=true)
d|tojson(separators=(',', ':')) ~ {'b': 1, 'a': 2}|tojson(sort_keys=true) ~ {1: 2, none: 3, true: 4}|tojson
l|sort ~ w|sort ~ w|sort(case_sensitive=true) ~ l|sort(reverse=true) ~ l|min ~ l|max ~ l|sum ~ w|min
[{'a': 2}, {'a': 1}]|sort(attribute='a') ~ [1, 2.5]|sum ~ o[:2]|sum(attribute='v') ~ [3, 1, 3]|unique|list
l|first ~ l|last ~ e|first ~ 'abc'|first ~ l|reverse|list ~ 'abc'|reverse ~ l|list ~ 'ab'|list
w|map('upper')|list ~ o|map(attribute='k', default='-')|list ~ o|map(attribute='v')|list ~ w|map('replace', 'b', 'z')|list
o|selectattr('k')|list ~ o|selectattr('k', 'equalto', 'x')|list ~ o|rejectattr('k', 'defined')|list
[0, 1, 2, 3]|select|list ~ [0, 1, 2, 3]|select('odd')|list ~ [0, 1, 2]|reject('even')|list ~ [1, 5]|select('gt', 3)|list
[1, 2, 3, 4, 5]|batch(2)|list ~ [1, 2, 3]|batch(2, 0)|list ~ [1, 2, 3, 4, 5]|slice(2)|list ~ o[:3]|groupby('k')|list
zz|default('x') ~ ''|default('x') ~ ''|default('x', true) ~ n|default('x') ~ n|d('x', true)
'12'|int ~ 'x'|int ~ 'x'|int(5) ~ 2.9|int ~ '2.9'|int ~ '1.5'|float ~ 3|float ~ t|int ~ -2.9|int
2.567|round(2) ~ 2.5|round ~ 3.5|round ~ 2.1|round(method='ceil') ~ 1234|round(-2) ~ -3|abs ~ -2.5|abs
[1 + 2 * 3, 7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 / 2, 2 ** 10, 7.5 // 2, -i + +f, 2 ** -1, 7 - 2 - 1]
[1 + 1.0, 10 / 5, 1e3, 1_000, 0.1 + 0.2, 123456789012345680.0, 1e16, 9007199254740993.0, 0.0001, 0.00001]
'a' * 3 ~ [1] * 2 ~ 'a' + 'b' ~ [1] + [2] ~ 'x%sy%d' % ('q', 3) ~ '%s' % 'z' ~ '%r' % 'z'|format
'%s-%s'|format('a', 1) ~ '%.2f'.count('f') ~ 'a%%b' % ()
[1 < 2 < 3, 1 == 1.0, true == 1, 'a' < 'b', [1, 2] < [1, 3], [1] == [1], {'a': 1} == {'a': 1.0}, n == none, 3 > 2 > 2]
['b' in 'abc', 2 in l, 'z' in e, 'a' in d, not 'a' in 'b', 1 in [true], 'x' not in 'y']
(t and 'yes') ~ (n or 'no') ~ (e or n or 0) ~ (not n) ~ ('x' if t) ~ ('x' if n) ~ ('a' if n else 'b' if t else 'c')
zz is defined ~ zz is undefined ~ n is none ~ n is defined ~ t is boolean ~ t is true ~ n is false ~ 0 is false
i is integer ~ t is integer ~ f is float ~ i is number ~ t is number ~ s is string ~ d is mapping ~ l is mapping
l is sequence ~ s is sequence ~ d is sequence ~ n is sequence ~ zz is sequence ~ n is iterable ~ s is iterable ~ zz is iterable ~ 5 is iterable
3 is odd ~ 4 is even ~ 9 is divisibleby 3 ~ 9 is divisibleby(4) ~ 'a' is lower ~ 'A' is upper ~ 'Ab' is lower ~ 1 is eq 1 ~ 2 is gt(1) ~ 1 is in [1, 2] ~ n is not none
i is callable ~ range is callable ~ 'x' is sameas 'x' ~ t is sameas true ~ 1 is sameas true ~ 'upper' is filter ~ 'odd' is test
range(5)|list ~ range(2, 8, 3)|list ~ range(3, 0, -1)|list ~ dict(a=1, b=2) ~ dict([('x', 1)]) ~ namespace(q=3).q
s|length ~ l|count ~ u|length ~ zz|length ~ '👩\u200d👧'|length ~ 'a b c'|wordcount
'a\\nb\\n\\nc'|indent ~ '|' ~ 'a\\nb'|indent(2, true) ~ '|' ~ 'a\\n\\nb'|indent('>>', false, true) ~ '|' ~ 'x'|center(5) ~ '|'
'<a href="x">\\'&'|escape ~ '<b>'|safe ~ i|string ~ n|string ~ '<'|e
zz ~ '|' ~ zz|string ~ '|' ~ zz|list ~ '|' ~ zz|join ~ '|' ~ [zz] ~ '|' ~ none ~ true ~ True ~ None
'\\t\\'\\"\\\\ \\x41\\u00e9\\U0001F600 \\q \\101' ~ "dq'" ~ 'ab' 'cd'
strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %%') ~ strftime_now('')
(1, 2)[0] ~ d['b'] ~ d.a.0 ~ o[0]['k'] ~ o[0].k ~ 'abc'[1] ~ [[1, 2], [3]][0][1]
l|map('string')|join(',') ~ w|join(', ')|upper ~ (w|join)|length ~ -1|abs ~ -(1)|abs ~ 2 * 3|string
'%s' % d ~ d|string ~ (d ~ '')|length ~ [d]|length ~ {'a': {'b': {'c': 1}}}.a.b.c
"""

STATEMENTS = [
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}"
    "{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }}"
    "{{ loop.cycle('a', 'b') }};{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for x in e %}{% else %}none{% endfor %}",
    "{% for x in range(9) if x % 2 %}{% if x == 5 %}{% continue %}{% endif %}{% if x > 6 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% set x = 1 %}{% for y in l %}{% set x = x + y %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=1) %}{% for y in l %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}",
    "{% if t %}{% set x = 5 %}{% endif %}{{ x }}{% if n %}a{% elif e %}b{% elif t %}c{% else %}d{% endif %}",
    "{% macro m(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, 4) }}{{ m(b=1, a=2) }}{{ m() }}",
    "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(3) }}{{ r(1)|length }}",
    "{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{{ i }}{% endcall %}",
    "{% macro w(x) %}{{ caller(x) }}{{ caller(x + 1) }}{% endmacro %}{% call(y) w(3) %}{{ y }};{% endcall %}",
    "{% set b %}a{{ i }}\n{% endset %}{{ b }}{{ b|length }}{% set b | upper | trim %} x{{ s }}{% endset %}{{ b }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}{% with a = 1, b = i %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = [3, 4] %}{{ c }}{{ d2 }}{% set x = 1, 2 %}{{ x }}",
    "{% raw %}{{ x }}{% y %}{% endraw %}{# comment {{ x }} #}z{#- c -#} q",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n   {{ i }}\n  {# c #}\n d  {% set q = 1 %}  \n",
    "a  {%- if t -%}  \n b \n {%- endif %}  c {{- i -}} \n d {%+ if t %} e{% endif +%}\nf\n",
    "   {% if t %}x{% endif %}   y\n\n\n{% if t %}\n\n{% endif %}\n",
    "\r\na\r\n{% if t %}\r\nb\rc{% endif %}\r\n", "no newline at end\n", "two newlines\n\n", "{{ '{{' }}{{ \"%}\" }}{{ {'a': {'b': 1}} }}",
    "{% for m in o %}{{ m.k if m.k is defined else '?' }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for x in [1, [2, [3, 4]], 5] recursive %}{{ loop.depth }}{{ loop(x) if x is iterable else x }};{% endfor %}", "{% for a in [[1, [2, 3]], [4, []]] %}{% for b in a[1] %}{{ loop.index }}{{ b }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{{ l|map('foo')|list }}", "{{ zz.x }}", "{{ zz['x'] }}", "{{ zz + 1 }}", "{{ 1 + 'a' }}", "{{ n.x }}{{ n.x.y }}", "{{ 1 // 0 }}", "{{ zz() }}",
    "{{ l.append(4) }}", "{{ d.update({}) }}", "{{ raise_exception('no ' ~ i) }}", "{% set d.x = 1 %}", "{{ s.__class__ }}", "{{ range(1000000)|length }}",
    "{% for x in 5 %}{% endfor %}", "{{ 'a' < 1 }}", "{% include 'x' %}", "{% if %}{% endif %}", "{{ }}", "{{ 1 2 }}", "{% endfor %}", "{% for x in l %}",
    "{{ x", "{% if t", "{# open", "{{ 'open }}", "{{ a[ }}", "{% set true = 1 %}", "{% unknown %}", "{{ l[::0] }}", "{{ {[]: 1} }}", "{{ 1 in 5 }}",
]


def render(template, variables):
    environment = chat_template_utils._compile_jinja_template(template).environment
    return environment.from_string(template).render(**variables)


def snippets():
    result = []
    sources = ["{{ " + line + " }}" for line in EXPRESSIONS.strip().splitlines()] + STATEMENTS
    for source in sources:
        try:
            result.append({"source": source, "text": render(source, VARIABLES)})
        except Exception as error:
            result.append({"source": source, "error": type(error).__name__ + ": " + str(error)})
            if source not in STATEMENTS:
                print("expression fails:", source, error)
    return result


def conversations():
    result = []
    options = [{}, {"add_generation_prompt": True}, {"tools": TOOLS, "enable_thinking": False, "add_generation_prompt": True}]
    for name, template in TEMPLATES.items():
        for index, messages in enumerate(CONVERSATIONS):
            for option, arguments in enumerate(options):
                case = {"template": name, "conversation": index, "options": option}
                try:
                    texts, spans = chat_template_utils.render_jinja_template(
                        conversations=[messages], chat_template=template,
                        return_assistant_tokens_mask=True, **arguments, **TOKENS,
                    )
                    case.update(text=texts[0], generated=spans[0])
                except Exception as error:
                    case["error"] = str(error)
                result.append(case)
    return {"templates": TEMPLATES, "conversations": CONVERSATIONS, "options": options, "cases": result}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (FIXTURES / name).write_text(text + "\n", encoding="utf-8")
    print(name, len(text.encode()))


if __name__ == "__main__":
    write("jinja.json", {"variables": VARIABLES, "cases": snippets()})
    write("chats.json", conversations())
