"""The preview as one self-contained HTML page, without scripts and network requests."""

from __future__ import annotations

from jinja2 import Environment

from reconciler.observe.redaction import printable
from reconciler.plan.signature import signed_line
from reconciler.report.summary import CLASS_HEAD, TIER_HEAD, Summary, blocked_line, class_cells, tier_cells

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tiercast {{ project }}/{{ plan.stack }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2430; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border-bottom: 1px solid #d5dbe3; padding: .4rem .6rem; text-align: left; vertical-align: top; }
.refused { color: #a3121b; } .changes { color: #8a5a00; } .no { color: #14692f; }
code { background: #f2f4f7; padding: .1rem .3rem; } .bar { background: #3f6fd8; height: .6rem; display: inline-block; }
</style></head><body>
<h1 class="{{ verdict.split()[0] }}">{{ headline }}</h1>
<p>{{ project }}/{{ plan.stack }}, plan <code>{{ plan.id }}</code>, made {{ plan.created_at.isoformat() }}, valid until
{{ plan.valid_until.isoformat() }}, {{ signed }}; history up to {{ plan.cutoff.isoformat() }}.</p>
<table><thead><tr>{% for h in tier_head %}<th>{{ h }}</th>{% endfor %}</tr></thead><tbody>
{% for row in tiers %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
<table><thead><tr>{% for h in class_head %}<th>{{ h }}</th>{% endfor %}</tr></thead><tbody>
{% for row in classes %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
<h2>Load per class and tier (safe load, requests/s)</h2>
{% for c in plan.classes %}<p>{{ c.name }}:{% for tier, load in c.served_by.items() %}
{{ tier }} <span class="bar" style="width: {{ (300 * load / widest) | round(1) }}px"></span> {{ "%.3g" | format(load) }}
{% endfor %}</p>{% endfor %}
{% if violations %}<h2>Policies</h2><ul>{% for v in violations %}
<li{% if v.refuses %} class="refused"{% endif %}><code>{{ v.policy }}</code> ({{ v.level }}): {{ v.message }}</li>
{% endfor %}</ul>{% endif %}
{% if blocked %}<p class="changes"><b>{{ blocked }}</b></p>
{% endif %}{% if plan.notes %}<h2>Notes</h2><ul>{% for r in plan.notes %}<li>{{ r }}</li>{% endfor %}</ul>{% endif %}
<h2>Steps</h2><ul>{% for s in steps %}<li><code>{{ s.op }}</code> {{ s.type }} <b>{{ s.name }}</b>
{% if s.keys %}({{ s.keys | join(", ") }}){% endif %}</li>{% else %}<li>none</li>{% endfor %}</ul>
{% if order %}<h2>Order</h2><ul>{% for line in order %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}</body></html>
"""


def html(summary: Summary, *, project: str) -> str:
    """The page's text. Names and messages are escaped, and control characters in them are replaced."""
    page = Environment(autoescape=True, keep_trailing_newline=True, finalize=_shown).from_string(_PAGE)
    loads = [load for line in summary.plan.classes for load in line.served_by.values()]
    return page.render(
        project=project,
        plan=summary.plan,
        signed=signed_line(summary.plan),
        verdict=summary.verdict,
        headline=summary.headline(),
        tier_head=TIER_HEAD,
        tiers=[tier_cells(t) for t in summary.plan.tiers],
        class_head=CLASS_HEAD,
        classes=[class_cells(c) for c in summary.plan.classes],
        blocked=blocked_line(summary.plan),
        violations=summary.violations,
        steps=summary.steps,
        order=summary.order,
        widest=max(loads, default=1.0) or 1.0,
    )


def _shown(value: object) -> object:
    return printable(value) if isinstance(value, str) else value
