/** Why a clip fits: its words by verdict, where the frame shows them, and the parts of its score. */

import { html, nothing } from "./dom.js";
import { moment, PARTS, VERDICTS } from "./format.js";

const CLASS = { supported: "yes", contradicted: "rather", undecided: "open", "not checked": "open" };

/** The sentence with its words marked. */
function sentence(query, words) {
  const pieces = [];
  let at = 0;
  for (const word of [...words].sort((a, b) => a.start - b.start)) {
    if (word.start < at) continue;
    pieces.push(query.slice(at, word.start));
    pieces.push(
      html`<mark class=${CLASS[word.verdict] ?? "open"}>${query.slice(word.start, word.end)}</mark>`,
    );
    at = word.end;
  }
  return html`<p class="spoken">“${pieces}${query.slice(at)}”</p>`;
}

function wordRow(word, places, shown, act) {
  const place = places.find((one) => one.word === word.word);
  const said = word.rather ? `contradicted: rather “${word.rather}”` : word.verdict;
  return html`<li class=${CLASS[word.verdict] ?? "open"}>
    <b>${word.word}</b>
    <span title=${VERDICTS[word.verdict] ?? ""}>${said}</span>
    ${
      place
        ? html`<button type="button" class="quiet" aria-pressed=${shown === place} @click=${() => act.showPlace(shown === place ? null : place)}>
          ${shown === place ? "Hide the place" : `Show at ${moment(place.seconds)}`}
        </button>`
        : nothing
    }
  </li>`;
}

/** The parts of a score as bars from zero. @param {Record<string, number>} parts */
export function scoreParts(parts, score) {
  const entries = Object.entries(parts ?? {});
  if (!entries.length) return nothing;
  const most = Math.max(...entries.map(([, value]) => Math.abs(value)), 1e-9);
  const least = Math.min(0, ...entries.map(([, value]) => value));
  const zero = least < 0 ? 50 : 0;
  const scale = (100 - zero) / most;
  return html`<table class="parts">
    <caption class="unseen">Parts of the score</caption>
    <tbody>
      ${entries.map(([name, value]) => {
        const width = Math.abs(value) * scale;
        const left = value < 0 ? zero - width : zero;
        return html`<tr>
          <th scope="row"><code>${name}</code>${PARTS[name] ? html`<span>${PARTS[name]}</span>` : nothing}</th>
          <td class="bars" aria-hidden="true"><i class=${value < 0 ? "less" : ""} .style=${`left:${left}%;width:${width}%`}></i></td>
          <td class="number">${value.toFixed(2)}</td>
        </tr>`;
      })}
    </tbody>
    <tfoot>
      <tr><th scope="row">score</th><td></td><td class="number">${score.toFixed(2)}</td></tr>
    </tfoot>
  </table>`;
}

/** The panel. @param {object} state @param {object} act */
export function evidencePanel(state, act) {
  const { open, query } = state;
  const { evidence, hit } = open;
  const places = evidence?.places ?? [];
  const words = evidence?.words ?? [];
  const told = evidence?.query ?? query.q;
  return html`
    ${told && (words.length || open.loading.evidence) ? html`<h3>Words</h3>` : nothing}
    ${
      words.length
        ? html`${sentence(told, words)}
          <ul class="words">${words.map((word) => wordRow(word, places, open.place, act))}</ul>`
        : open.loading.evidence
          ? html`<p class="quietly">Checking the words…</p>`
          : nothing
    }
    ${[open.errors.evidence, open.errors.places].filter(Boolean).map((words) => html`<p class="quietly">${words}</p>`)}
    ${(evidence?.notes ?? []).map((note) => html`<p class="quietly">${note}</p>`)}
    ${
      words.length && !open.asked.places && !open.gone
        ? html`<button type="button" @click=${act.findPlaces}>Find the words in the picture</button>`
        : open.loading.places
          ? html`<p class="quietly">Looking for the words in the frames…</p>`
          : open.asked.places && evidence && !places.length && !open.errors.places
            ? html`<p class="quietly">No place found that the score depends on.</p>`
            : nothing
    }
    ${hit.said ? html`<h3>Said</h3><p class="spoken">“${hit.said}”</p>` : nothing}
    ${hit.score == null ? nothing : html`<h3>Score</h3>${scoreParts(hit.parts, hit.score)}`}
  `;
}
