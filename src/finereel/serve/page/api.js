/** Asks the server. Every failure is one of three: gone, not offered, refused. */

/** The server does not answer. */
export class ServerGone extends Error {}

/** What the server says of an address that it does not have, unlike of a clip that is gone. */
const NO_ADDRESS = /nothing under this address/;

/** The server answers with an error. */
export class Refused extends Error {
  /** @param {number} status @param {string} message @param {object} body */
  constructor(status, message, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
  get notOffered() {
    return (
      this.status === 405 || this.status === 501 || (this.status === 404 && NO_ADDRESS.test(this.message))
    );
  }
}

/** What a body of an error says, whichever of the usual forms it has. */
export function messageOf(body, status) {
  const said = body?.error?.message ?? body?.message ?? body?.error ?? body?.detail?.message ?? body?.detail;
  if (Array.isArray(said)) return said.map((one) => one.msg ?? String(one)).join("; ");
  return typeof said === "string" && said ? said : `the server answered ${status}`;
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerGone("the server does not answer");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, messageOf(body, answer.status), body);
}

const json = async (path, options) => (await ask(path, options)).json();

const post = (path, body) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Finereel": "1" },
    body: JSON.stringify(body),
  });

const id = encodeURIComponent;

export const api = {
  search: (parameters, signal) => json(`/api/search?${parameters}`, { signal }),
  clip: (clip) => json(`/api/clips/${id(clip)}`),
  evidence: (clip, q, places, signal) =>
    json(`/api/clips/${id(clip)}/evidence?${new URLSearchParams({ q, ...(places && { places: "1" }) })}`, {
      signal,
    }),
  similar: (clip) => json(`/api/clips/${id(clip)}/similar`),
  file: (file) => json(`/api/files/${id(file)}`),
  timeline: (file, q) => json(`/api/files/${id(file)}/timeline?${new URLSearchParams({ q })}`),
  status: () => json("/api/status"),
  problems: () => json("/api/problems"),
  tags: () => json("/api/tags"),
  tag: async (body) => (await post("/api/tags", body)).json(),
  feedback: async (body) => (await post("/api/feedback", body)).json().catch(() => ({})),
  index: async (body) => (await post("/api/index", body)).json().catch(() => ({})),
  /** A file to take along. @returns {Promise<{name: string, blob: Blob}>} */
  async taken(body) {
    const answer = await post("/api/export", body);
    const named = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "");
    return { name: named ? named[1] : `finereel.${body.format}`, blob: await answer.blob() };
  },
  /** Whether the original of a file is there: true, false, or null where that cannot be told. */
  async present(file) {
    try {
      await ask(address.media(file), { headers: { Range: "bytes=0-0" } });
      return true;
    } catch (error) {
      return error instanceof Refused && (error.status === 404 || error.status === 410) ? false : null;
    }
  },
};

/** Headers with the second of the file at which a film begins, and with the rung that was made. */
const [START, MADE] = ["X-Finereel-Start", "X-Finereel-Rung"];

/** Seconds between two tries while the server makes other films, and how often it is tried. */
const [BUSY_SECONDS, TRIES] = [2, 10];

/**
 * Have the film of a rung made.
 * @returns {Promise<{start: number | null, rung: string}>} the second of the file at which it begins,
 *   null where it is not told; the rung that was made, which may be a lower one
 * @throws {Refused} where it cannot be made
 */
export async function made(clip, rung, tries = TRIES) {
  try {
    const answer = await ask(address.play(clip, rung), { headers: { Range: "bytes=0-0" } });
    await answer.body?.cancel();
    const start = answer.headers.get(START);
    return { start: start == null ? null : Number(start), rung: answer.headers.get(MADE) ?? rung };
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 429 || tries <= 1) throw error;
    await new Promise((done) => setTimeout(done, 1000 * BUSY_SECONDS));
    return made(clip, rung, tries - 1);
  }
}

/** Where pictures and films are. */
export const address = {
  thumb: (clip) => `/thumb/${id(clip)}`,
  strip: (clip) => `/strip/${id(clip)}`,
  media: (file) => `/media/${id(file)}`,
  subtitles: (file) => `/subtitles/${id(file)}.vtt`,
  play: (clip, rung) => `/play/${id(clip)}?rung=${rung}`,
};

/** Events of the server; `heard.lost` is called when they stop. @returns {EventSource} */
export function listen(heard) {
  const source = new EventSource("/api/events");
  for (const name of ["progress", "commit", "indexed", "problem"]) {
    source.addEventListener(name, (event) => {
      try {
        heard[name]?.(JSON.parse(event.data));
      } catch {
        // a line that is not JSON says nothing
      }
    });
  }
  source.addEventListener("open", () => heard.found?.());
  source.addEventListener("error", () => heard.lost?.(source.readyState === EventSource.CLOSED));
  return source;
}
