"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const names = Object.keys(data.verdicts);
  const title = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replace("_", " ");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  let rater = "";
  let events = []; // every step, in order, as it stands in the verdict file
  let standing = new Map(); // item -> verdict
  let undoable = []; // [item, verdict before], the last step last
  let position = 0;
  let keeper = null;

  // ---- where verdicts are kept -------------------------------------------------------------------------------

  const place = () => `finereel-review:${data.set}:${rater}`;
  const inBrowser = {
    async load() {
      try {
        return JSON.parse(localStorage.getItem(place()) || "[]");
      } catch {
        return [];
      }
    },
    add() {
      try {
        localStorage.setItem(place(), JSON.stringify(events));
        trouble("");
        kept("All verdicts are kept in this browser; download them at the end.");
      } catch {
        trouble("This browser does not keep verdicts: download them before you close the page.");
      }
    },
    waiting: () => false,
  };

  const queue = [];
  let sending = false;
  const headers = { "Content-Type": "application/json", "X-Finereel-Review": "1" };
  const onServer = {
    async load() {
      const answer = await fetch(`verdicts?rater=${encodeURIComponent(rater)}`, { headers });
      if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
      return answer.json();
    },
    add(event) {
      queue.push(event);
      kept("Saving.");
      send();
    },
    waiting: () => queue.length > 0,
  };

  async function send() {
    if (sending) return;
    sending = true;
    while (queue.length) {
      try {
        const answer = await fetch("verdicts", { method: "POST", headers, body: JSON.stringify(queue[0]) });
        if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
        queue.shift();
        trouble("");
        if (!queue.length) kept("All verdicts are saved.");
      } catch (error) {
        trouble(`${queue.length} not saved yet, trying again: ${error.message}`);
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }
    }
    sending = false;
  }

  addEventListener("beforeunload", (leaving) => {
    if (keeper && keeper.waiting()) leaving.preventDefault();
  });

  // ---- steps --------------------------------------------------------------------------------------------------

  function take(event) {
    const before = standing.get(event.item) || null;
    if (event.undo) undoable.pop();
    else undoable.push([event.item, before]);
    if (event.verdict) standing.set(event.item, event.verdict);
    else standing.delete(event.item);
    events.push(event);
  }

  let steps = 0;
  function step(item, verdict, undo) {
    const now = new Date();
    const event = {
      item: item.key, id: item.id, pos: item.pos, rater, verdict, at: now.toISOString(),
      event: `${now.getTime().toString(36)}-${Math.random().toString(36).slice(2, 8)}-${steps++}`, undo,
    };
    take(event);
    keeper.add(event);
  }

  function judge(name) {
    const item = data.items[position];
    if (!item) return;
    step(item, name, false);
    const next = nextOpen();
    if (next >= 0) show(next, `${title(name)}.`);
    else show(position, `${title(name)}. All items are judged.`);
  }

  function undo() {
    if (!undoable.length) return say("Nothing to take back.");
    const [key, before] = undoable[undoable.length - 1];
    const index = data.items.findIndex((item) => item.key === key);
    if (index < 0) return undefined;
    step(data.items[index], before, true);
    return show(index, "Taken back.");
  }

  function nextOpen() {
    const count = data.items.length;
    for (let ahead = 1; ahead <= count; ahead += 1) {
      const index = (position + ahead) % count;
      if (!standing.has(data.items[index].key)) return index;
    }
    return -1;
  }

  // ---- the screen ---------------------------------------------------------------------------------------------

  const say = (text) => { at("said").textContent = text; };
  const trouble = (text) => { if (at("trouble").textContent !== text) at("trouble").textContent = text; };
  const kept = (text) => { if (at("kept").textContent !== text) at("kept").textContent = text; };
  const changed = (parts) => parts.filter((part) => part[1]).map((part) => part[0]).join(" ... ");

  function fill(node, parts) {
    node.replaceChildren(...parts.map(([text, isChanged]) => {
      if (!isChanged) return document.createTextNode(text);
      const mark = document.createElement("mark");
      mark.textContent = text;
      return mark;
    }));
    const mark = node.querySelector("mark");
    node.scrollTop = mark ? Math.max(0, mark.offsetTop - node.offsetTop - node.clientHeight / 2) : 0;
    if (node.scrollHeight > node.clientHeight + 1) node.tabIndex = 0; // long ones scroll, by keyboard as well
    else node.tabIndex = -1;
  }

  function show(index, news) {
    const moved = index !== position || !at("caption").hasChildNodes();
    position = Math.min(Math.max(index, 0), data.items.length - 1);
    const item = data.items[position];
    const verdict = standing.get(item.key);
    if (moved) {
      fill(at("caption"), item.caption);
      fill(at("negative"), item.negative);
      showMedia(item.media);
    }
    at("pos").textContent = `(${item.pos})`;
    for (const button of at("verdicts").children) {
      button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    }
    const judged = data.items.filter((one) => standing.has(one.key)).length;
    at("count").textContent = `${judged} of ${data.items.length} judged, this is item ${position + 1}`;
    at("progress").max = data.items.length;
    at("progress").value = judged;
    at("back").disabled = position === 0;
    at("forward").disabled = position === data.items.length - 1;
    at("open").disabled = nextOpen() < 0;
    at("undo").disabled = !undoable.length;
    at("finished").hidden = judged < data.items.length;
    const change = `${changed(item.caption)}, changed to: ${changed(item.negative)}`;
    const given = verdict ? ` Judged ${title(verdict)}.` : "";
    if (news !== null) say(`${news} Item ${position + 1} of ${data.items.length}, ${item.pos}: ${change}.${given}`);
  }

  // ---- video or stills ----------------------------------------------------------------------------------------

  let showing = "";
  function showMedia(key) {
    if (key === showing) return;
    showing = key;
    const known = key in data.media;
    const video = at("video");
    const isVideo = known && data.kind === "served";
    video.hidden = !isVideo;
    if (isVideo) {
      video.autoplay = !calm;
      video.src = `media/${key}`;
    } else if (video.hasAttribute("src")) {
      video.removeAttribute("src");
      video.load();
    }
    showStills(known && !isVideo ? data.media[key] : []);
    at("no-media").hidden = isVideo || at("stills").childElementCount > 0;
  }

  function showStills(uris) {
    at("stills").replaceChildren(...uris.map((uri, number) => {
      const picture = document.createElement("img");
      picture.src = uri;
      picture.alt = `Frame ${number + 1} of ${uris.length}`;
      return picture;
    }));
    at("stills").hidden = !uris.length;
  }

  async function withoutVideo() {
    const key = showing;
    if (!at("video").hasAttribute("src")) return;
    at("video").hidden = true;
    let uris = [];
    try {
      const answer = await fetch(`stills/${key}`, { headers });
      uris = answer.ok ? await answer.json() : [];
    } catch {
      uris = [];
    }
    if (key !== showing) return;
    showStills(uris);
    at("no-media").hidden = uris.length > 0;
  }

  // ---- keys and buttons ---------------------------------------------------------------------------------------

  const onward = {
    back: () => show(position - 1, ""),
    forward: () => show(position + 1, ""),
    open: () => { const next = nextOpen(); if (next >= 0) show(next, ""); },
    undo,
    play: () => { const video = at("video"); if (!video.hidden) video.paused ? video.play().catch(() => {}) : video.pause(); },
  };
  const keys = {
    ArrowLeft: "back", ArrowRight: "forward", n: "open", N: "open", KeyN: "open", u: "undo", U: "undo", KeyU: "undo",
    " ": "play",
  };

  addEventListener("keydown", (pressed) => {
    const from = pressed.target;
    if (at("review").hidden || pressed.ctrlKey || pressed.altKey || pressed.metaKey) return;
    if (from instanceof HTMLInputElement) return;
    if (pressed.key === " " && from instanceof HTMLButtonElement) return;
    const digit = /^[1-9]$/.test(pressed.key) ? pressed.key : (/^Digit([1-9])$/.exec(pressed.code) || [])[1];
    const verdict = digit && names[Number(digit) - 1];
    const action = onward[keys[pressed.key] || keys[pressed.code]];
    if (!verdict && !action) return;
    pressed.preventDefault();
    pressed.stopPropagation();
    if (verdict) { if (!pressed.repeat) judge(verdict); } // a key held down must not judge what nobody read
    else if (!pressed.repeat || keys[pressed.key] === "back" || keys[pressed.key] === "forward") action();
  }, true);

  function makeButtons() {
    names.forEach((name, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.verdict = name;
      button.setAttribute("aria-keyshortcuts", String(index + 1));
      for (const [tag, text] of [["kbd", String(index + 1)], ["strong", title(name)], ["small", data.verdicts[name]]]) {
        const part = document.createElement(tag);
        part.textContent = text;
        button.append(part);
      }
      button.addEventListener("click", () => judge(name));
      at("verdicts").append(button);
    });
    for (const id of ["back", "forward", "open", "undo"]) at(id).addEventListener("click", onward[id]);
    at("video").addEventListener("error", withoutVideo);
    at("download").addEventListener("click", download);
  }

  function download() {
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines], { type: "application/x-ndjson" }));
    link.download = `${data.name}.verdicts-${rater}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // ---- beginning ----------------------------------------------------------------------------------------------

  function ask(problem) {
    at("who").hidden = false;
    at("bad-name").textContent = problem;
    at("name").focus();
  }

  async function begin(name) {
    if (!/^[\p{L}\p{N}_@+-][\p{L}\p{N}_.@+-]{0,63}$/u.test(name)) {
      return ask("A name is 1 to 64 letters, digits and . _ - @ +");
    }
    rater = name;
    keeper = data.kind === "served" ? onServer : inBrowser;
    let earlier = [];
    try {
      earlier = await keeper.load();
    } catch (error) {
      return ask(error.message);
    }
    const known = new Set(data.items.map((item) => item.key));
    earlier.forEach(take);
    undoable = undoable.filter(([key]) => known.has(key));
    at("who").hidden = true;
    at("review").hidden = at("foot").hidden = at("progress").hidden = false;
    at("rater").textContent = `Rater: ${rater}.`;
    position = data.items.length - 1;
    const next = nextOpen();
    position = -1;
    show(next < 0 ? 0 : next, earlier.length ? "Going on where you stopped." : "");
    return at("caption").focus();
  }

  makeButtons();
  at("who").addEventListener("submit", (sent) => {
    sent.preventDefault();
    begin(at("name").value.trim());
  });
  if (!data.items.length) at("count").textContent = "There is nothing to judge: the file has no negatives.";
  else if (data.rater) begin(data.rater);
  else ask("");
})();
