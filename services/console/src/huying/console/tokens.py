"""Colours, type and shape of everything that people see, once; pages and charts take them from here.

Nothing is fetched from anywhere: fonts are the system's own.
"""

from urllib.parse import quote

GROUND, SURFACE, LINE, INK, QUIET, ACCENT = "#F5F7FA", "#FFFFFF", "#E3E8EF", "#1B2430", "#5B6675", "#1456C4"
FONT = '"Noto Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif'

TONES: dict[str, str] = {
    "on_time": "#1B7642",
    "soon": "#935600",
    "overdue": "#C62828",
    "emergency": "#A30D2D",
    "held": "#6A4BC4",
    "done": "#5B6675",
    "open": "#1456C4",
}
"""Colour by meaning, each beside a word. Green and amber are darker than one would draw them: small text needs 4.5:1
on every ground that it stands on, the emergency's too."""
EMERGENCY_GROUND = "#FDE7EB"

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32">'
    '<rect width="32" height="32" rx="6" fill="#1456C4"/>'
    '<path d="M8 20a8 8 0 0 1 16 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>'
    '<path d="M12.5 20a3.5 3.5 0 0 1 7 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>'
    '<circle cx="16" cy="24" r="1.9" fill="#fff"/></svg>'
)
ICON_URL = quote(ICON)

_TONE_CSS = "".join(f".t-{name}{{color:{colour}}}" for name, colour in TONES.items())

PLAIN_CSS = f"""
*{{box-sizing:border-box}}body{{margin:0;background:{GROUND};color:{INK};font:14px/1.5 {FONT}}}
main{{max-width:360px;margin:12vh auto 0;padding:0 16px}}
.brand{{display:flex;gap:12px;align-items:center;margin-bottom:20px}}.brand svg{{width:44px;height:44px}}
.brand h1{{font-size:24px;line-height:1.2;margin:0}}.brand p{{margin:2px 0 0;color:{QUIET}}}
form{{background:{SURFACE};border:1px solid {LINE};border-radius:6px;padding:20px}}
label{{display:block;font-weight:600;margin:0 0 4px}}
input:not([type=hidden]){{width:100%;font:inherit;padding:8px 10px;margin:0 0 16px;border:1px solid #8A94A3;border-radius:6px}}
input:focus-visible,button:focus-visible{{outline:2px solid {ACCENT};outline-offset:2px}}
button{{width:100%;font:inherit;font-weight:600;color:#fff;background:{ACCENT};border:0;border-radius:6px;padding:10px;
cursor:pointer}}
.wrong{{margin:0 0 16px;padding:8px 12px;border-radius:6px;color:{TONES["emergency"]};background:{EMERGENCY_GROUND}}}
.quiet{{color:{QUIET};text-align:center;margin-top:16px}}
@media (max-width:600px){{body{{font-size:16px}}}}
"""

CSS = f"""
body{{background:{GROUND};color:{INK};font:14px/1.5 {FONT};font-variant-numeric:tabular-nums}}
.nicegui-content{{padding:0;gap:0;align-items:stretch}}
a{{color:{ACCENT};text-decoration:none}}a:hover{{text-decoration:underline}}
:focus-visible{{outline:2px solid {ACCENT};outline-offset:1px}}
.hy-bar{{background:{SURFACE};color:{INK};border-bottom:1px solid {LINE};box-shadow:none;min-height:48px;padding:0 16px;
display:flex;align-items:center;gap:16px}}
.hy-bar .brand{{display:flex;align-items:center;gap:8px;font-weight:700;font-size:16px;color:{INK}}}
.hy-bar .brand svg{{width:26px;height:26px}}.hy-bar nav{{display:flex;gap:4px;align-self:stretch}}
.hy-bar nav a{{display:flex;align-items:center;gap:6px;padding:0 12px;color:{QUIET};border-bottom:2px solid transparent}}
.hy-bar nav a:hover{{text-decoration:none;color:{INK}}}
.hy-bar nav a.here{{color:{ACCENT};border-color:{ACCENT};font-weight:600}}
.hy-bar .who{{margin-left:auto;display:flex;align-items:center;gap:12px;color:{QUIET};min-width:0}}
.hy-bar .who span{{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}}.hy-bar form{{flex:none}}
.hy-bar form{{margin:0}}.hy-bar button{{font:inherit;border:0;background:none;color:{ACCENT};cursor:pointer;padding:4px}}
.hy-count{{background:{ACCENT};color:#fff;border-radius:9px;padding:0 6px;font-size:12px;line-height:18px}}
.hy-page{{max-width:1440px;width:100%;margin:0 auto;padding:16px;overflow-wrap:anywhere}}
.hy-page h1{{font-size:20px;line-height:1.4;font-weight:700;margin:0}}
.hy-card{{background:{SURFACE};border:1px solid {LINE};border-radius:6px;padding:16px}}
.hy-card h2{{font-size:14px;line-height:1.5;font-weight:700;margin:0 0 8px}}
.hy-chips{{display:flex;flex-wrap:wrap;align-items:center;gap:8px;margin:12px 0}}
.hy-chip{{display:inline-flex;align-items:center;gap:6px;padding:3px 10px;border:1px solid {LINE};border-radius:6px;
background:{SURFACE};color:{INK};cursor:pointer;font:inherit}}
.hy-chip b{{font-weight:600}}.hy-chip.on{{border-color:{ACCENT};color:{ACCENT};background:#EAF1FC}}
.hy-quiet{{color:{QUIET}}}.hy-small{{font-size:12px;line-height:1.5}}
.hy-table{{width:100%;background:{SURFACE};border:1px solid {LINE};border-radius:6px;font-size:13px;box-shadow:none}}
.hy-table table{{table-layout:fixed}}
.hy-table th{{font-size:12px;font-weight:600;color:{QUIET};text-align:left;background:{SURFACE}}}
.hy-table td,.hy-table th{{padding:6px 12px!important;height:auto!important;white-space:normal;vertical-align:top}}
.hy-table thead tr{{height:32px}}.hy-table .q-icon{{color:{QUIET}}}
.hy-table tbody td{{border-top:1px solid {LINE};font-size:13px!important}}
.hy-row{{cursor:pointer}}.hy-row:hover td,.hy-row:focus td{{background:#F0F5FD}}
.hy-row:focus{{outline:2px solid {ACCENT};outline-offset:-2px}}
.hy-row.urgent,.hy-row.urgent td{{background:{EMERGENCY_GROUND}}}
.hy-row .matter{{display:block;color:{INK};font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}}
.hy-row .line2,.hy-row .line1{{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}}
.hy-tag{{display:inline-flex;align-items:center;gap:4px;font-weight:600;white-space:nowrap}}
.hy-tag::before{{content:"";width:8px;height:8px;border-radius:4px;background:currentColor}}
.hy-tag.urgent{{background:{TONES["emergency"]};color:#fff;border-radius:4px;padding:0 6px;margin-right:6px}}
.hy-tag.urgent::before{{content:"!";background:none;width:auto;height:auto;font-weight:800}}
.hy-empty{{text-align:center;padding:56px 16px;color:{QUIET}}}.hy-empty b{{display:block;color:{INK};font-size:16px}}
.hy-steps{{display:grid;grid-template-columns:repeat(5,1fr);gap:8px;list-style:none;margin:0;padding:0}}
.hy-steps li{{border-top:3px solid {LINE};padding-top:8px;color:{QUIET}}}
.hy-steps li.done{{border-color:{TONES["on_time"]};color:{INK}}}
.hy-steps li.now{{border-color:{ACCENT};color:{ACCENT}}}.hy-steps b{{display:block}}
.hy-cols{{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:16px;margin-top:16px;align-items:start}}
.hy-side{{display:grid;gap:16px}}
.hy-report{{border-top:1px solid {LINE};padding:10px 0}}.hy-report:first-of-type{{border-top:0}}
.hy-report p,.hy-card p{{margin:2px 0;overflow-wrap:anywhere}}
.hy-facts{{display:grid;grid-template-columns:5em 1fr;gap:4px 12px;margin:0}}.hy-facts dt{{color:{QUIET}}}
.hy-facts dd{{margin:0;overflow-wrap:anywhere}}
.hy-time{{list-style:none;margin:0;padding:0 0 0 16px;border-left:2px solid {LINE}}}
.hy-time li{{position:relative;padding:4px 0 10px;overflow-wrap:anywhere}}
.hy-time li::before{{content:"";position:absolute;left:-22px;top:10px;width:10px;height:10px;border-radius:5px;
background:{SURFACE};border:2px solid {QUIET}}}
.hy-time li.clock::before{{border-style:dotted}}.hy-time details{{color:{QUIET}}}.hy-time summary{{cursor:pointer}}
.hy-time details:not([open]){{display:inline-block;margin-left:8px}}.hy-told:empty{{display:none}}
.hy-pair{{display:grid;grid-template-columns:1fr 1fr;gap:16px}}
.hy-stack{{display:grid;gap:8px;align-content:start;min-width:0}}
.hy-pair mark{{background:#FFF1C9;color:inherit;border-radius:2px}}
.hy-triage{{display:grid;grid-template-columns:280px minmax(0,1fr);gap:16px;margin-top:12px;align-items:start}}
.hy-triage:has(.hy-queue.hidden){{grid-template-columns:minmax(0,1fr)}}.hy-stack:has(>.hy-queue.hidden){{display:none}}
.hy-queue{{max-height:70vh;overflow:auto}}.hy-queue a{{display:block;padding:8px 12px;border-top:1px solid {LINE};color:{INK}}}
.hy-queue a:first-child{{border-top:0}}.hy-queue a.here{{background:#EAF1FC}}
.hy-queue a:hover{{text-decoration:none;background:#F0F5FD}}
.hy-reasons{{list-style:none;margin:0;padding:0}}.hy-reasons li{{display:flex;gap:12px;padding:3px 0}}
.hy-reasons b{{width:3.5em;text-align:right;flex:none}}
.hy-actions{{display:flex;flex-wrap:wrap;gap:8px;margin-top:16px}}.hy-actions:empty{{display:none}}.hy-actions .q-btn{{border-radius:6px}}
.nicegui-error-popup{{font:14px/1.5 {FONT};display:block;margin:16px;padding:6px 16px 6px 40px;border-color:{LINE}}}
.q-notification.bg-warning{{color:#fff!important}}
.q-btn{{text-transform:none;letter-spacing:0}}
.hy-new{{animation:hy-fade 150ms ease-out}}@keyframes hy-fade{{from{{opacity:0}}}}
kbd{{border:1px solid {LINE};border-bottom-width:2px;border-radius:4px;padding:0 5px;background:{SURFACE};font-size:12px}}
@media (max-width:900px){{.hy-bar{{white-space:nowrap;gap:8px;padding:0 12px}}#hy-now,.hy-bar .brand .hy-quiet{{display:none}}
.hy-table table{{min-width:880px}}.hy-cols,.hy-triage,.hy-pair{{grid-template-columns:minmax(0,1fr)}}.hy-page{{padding:12px}}
.hy-queue{{max-height:30vh}}.hy-pair .hy-stack{{display:contents}}.hy-pair .hy-actions{{order:1}}.hy-keys{{display:none}}}}
@media (max-width:600px){{.hy-steps{{grid-template-columns:1fr}}body,kbd,.hy-small,.hy-count,.hy-card h2,.hy-table,.hy-table th,.hy-table tbody td,.q-btn,.q-field,.q-item,
.q-field__label,.q-notification,.nicegui-error-popup{{font-size:16px!important}}
.hy-search{{width:100%!important}}.hy-bar .brand span{{display:none}}.hy-bar nav a{{padding:0 8px}}
.hy-table table{{min-width:0}}.hy-table thead{{display:none}}.hy-table table,.hy-table tbody{{display:block}}
.hy-row{{display:grid;grid-template-columns:minmax(0,1fr) auto;border-top:1px solid {LINE};padding:8px 0}}
.hy-table tbody .hy-row td{{display:block;border:0;padding:2px 12px!important}}
.hy-row td:nth-child(2){{grid-column:1/-1;order:-1}}.hy-row td:nth-child(n+3){{order:2}}
.hy-row td:nth-child(6){{order:1;text-align:right}}.hy-row td:nth-child(4){{order:3;grid-column:1/-1}}
.hy-row td:nth-child(5){{text-align:right}}.hy-row .matter,.hy-row .line2{{white-space:normal}}}}
{_TONE_CSS}
"""
