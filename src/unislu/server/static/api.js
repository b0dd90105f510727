// The server's endpoints. Every failure is a Failure with a sentence for people.

const KEY = "unislu-key";
const BUSY_TRIES = 6;
const PATIENCE = 60_000; // milliseconds for a server that is away to come back to a job it holds

export class Failure extends Error {
  /** `status`: 0 if the server cannot be reached. `retryAfter`: seconds, when it is busy. */
  constructor(message, status = 0, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let askKey = async () => null;

/** `ask(wrong)` resolves to a key, or null. */
export function onKeyNeeded(ask) {
  askKey = ask;
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function form(file, fields) {
  const data = new FormData();
  const { voices = [], ...texts } = fields;
  for (const [name, value] of Object.entries(texts)) data.append(name, value);
  for (const { name, file: clip } of voices) {
    data.append("voice_names", JSON.stringify([name])); // a list: names may have commas
    data.append("voice", clip, clip.name);
  }
  data.append("file", file, file.name || "recording.webm");
  return data;
}

function refusal(text, status, retryAfter) {
  let message = `The server answered ${status}.`;
  try {
    message = JSON.parse(text).error.message;
  } catch {
    // An answer of something in between, a proxy's page: its number says enough.
  }
  return new Failure(message, status, Number(retryAfter) || 1);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Run `attempt`; again with a key when the server wants one, and after a moment when it is busy. */
async function insist(attempt, signal) {
  for (let tries = 1; ; ) {
    try {
      return await attempt();
    } catch (failure) {
      if (failure.status === 401) {
        const key = await askKey(sessionStorage.getItem(KEY) !== null);
        if (key === null) throw failure;
        sessionStorage.setItem(KEY, key);
      } else if (failure.status === 429 && tries < BUSY_TRIES) {
        tries += 1;
        await pause(failure.retryAfter, signal);
      } else {
        throw failure;
      }
    }
  }
}

function call(path, options = {}) {
  return insist(async () => {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("The server cannot be reached. Is it still running?");
    }
    if (!answer.ok) throw refusal(await answer.text(), answer.status, answer.headers.get("Retry-After"));
    return answer;
  }, options.signal);
}

const json = async (path, options) => (await call(path, options)).json();

function sent(analysis) {
  return { method: "POST", body: JSON.stringify(analysis), headers: { "Content-Type": "application/json" } };
}

export async function info() {
  for (;;) {
    try {
      return await json("v1/info");
    } catch (failure) {
      if (failure.status !== 503) throw failure;
      await pause(0.5);
    }
  }
}

/** A clip that comes with the server. */
export async function example() {
  const clip = await (await call("static/jfk.flac")).blob();
  return new File([clip], "jfk.flac", { type: "audio/flac" });
}

/** Upload with progress (fetch cannot tell it). */
function upload(path, data, onProgress, signal) {
  const attempt = () =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", path);
      for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
      request.onload = () => {
        if (request.status < 300) resolve(JSON.parse(request.responseText));
        else reject(refusal(request.responseText, request.status, request.getResponseHeader("Retry-After")));
      };
      request.onerror = () => reject(new Failure("The server cannot be reached, or it ended the upload."));
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
      signal?.addEventListener("abort", () => request.abort());
      request.send(data);
    });
  return insist(attempt, signal);
}

/** Short audio: the answer comes at once. `report(stage, share)`: stage is uploading or transcribing. */
export function analyze(file, fields, report, signal) {
  const told = (share) => (share < 1 ? report("uploading", share) : report("transcribing", 0));
  return upload("v1/analyze", form(file, fields), told, signal);
}

export function redact(file, fields, onUpload, signal) {
  return upload("v1/redact", form(file, fields), onUpload, signal);
}

/** Begin a job; resolves to its id. */
export async function begin(file, fields, report, signal) {
  const job = await upload("v1/jobs", form(file, fields), (share) => report("uploading", share), signal);
  own.add(job.id);
  return job.id;
}

const path = (id) => `v1/jobs/${encodeURIComponent(id)}`;

/** A look at a job, once it changed or after some seconds. A server that is away for a moment still has it. */
async function look(id, seconds, report, signal) {
  const until = Date.now() + PATIENCE;
  for (let wait = seconds; ; wait = 0) {
    try {
      return await json(`${path(id)}?wait=${wait}&until=change`, { signal });
    } catch (failure) {
      if (![0, 502, 503].includes(failure.status) || Date.now() > until) throw failure;
      report("unreachable", 0);
      await pause(2, signal);
    }
  }
}

/**
 * The result of a job, once there is one. `report(stage, share, job)`: stage is waiting, transcribing or
 * unreachable.
 */
export async function follow(id, report, signal) {
  let job = await look(id, 0, report, signal);
  while (job.status === "queued" || job.status === "running") {
    report(job.status === "queued" ? "waiting" : "transcribing", job.progress, job);
    job = await look(id, 5, report, signal);
  }
  if (job.status !== "done") throw new Failure(job.error?.message ?? `The job was ${job.status}.`, 409);
  return json(`${path(id)}/result?format=json`, { signal });
}

/** Keep a result on the server; resolves to the id of its job. */
export async function keep(analysis) {
  return (await json("v1/jobs", sent(analysis))).id;
}

/** Jobs of this page that nobody else knows: they go when the page has their results, or is closed. */
const own = new Set();

export function letStay(id) {
  own.delete(id);
}

/** Cancels a job that waits or runs, and its result stays nowhere. */
export function forget(id, options = {}) {
  return call(`${path(id)}?forget=true`, { method: "DELETE", ...options });
}

export function forgetOwn(id) {
  if (own.delete(id)) forget(id).catch(() => {});
}

// Closed in the middle of a job: `keepalive` lets the request outlive the page.
window.addEventListener("pagehide", () => {
  for (const id of own) forget(id, { keepalive: true }).catch(() => {});
});

/** The result in another format, as text. */
export async function render(analysis, format) {
  return (await call(`v1/render?format=${format}`, sent(analysis))).text();
}
