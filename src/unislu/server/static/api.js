// The server's endpoints. Every failure is a Failure with a sentence for people.

export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const KEY = "unislu-key";
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
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  if (file) data.append("file", file, file.name || "recording.webm");
  return data;
}

function sentence(text, status) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `The server answered ${status}.`;
  }
}

/** Run `attempt`; when the server wants a key, ask for one and run it again. */
async function withKey(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (failure) {
      if (failure.status !== 401) throw failure;
      const key = await askKey(sessionStorage.getItem(KEY) !== null);
      if (key === null) throw failure;
      sessionStorage.setItem(KEY, key);
    }
  }
}

async function call(path, options = {}) {
  return withKey(async () => {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("The server cannot be reached. Is it still running?");
    }
    if (!answer.ok) throw new Failure(sentence(await answer.text(), answer.status), answer.status);
    return answer;
  });
}

export async function info() {
  for (;;) {
    try {
      return await (await call("v1/info")).json();
    } catch (failure) {
      if (failure.status !== 503) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Upload with progress (fetch cannot tell it). */
function upload(path, data, onProgress, signal) {
  return withKey(
    () =>
      new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("POST", path);
        for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
        request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
        request.onload = () => {
          if (request.status < 300) resolve(JSON.parse(request.responseText));
          else reject(new Failure(sentence(request.responseText, request.status), request.status));
        };
        request.onerror = () => reject(new Failure("The upload failed: the server cannot be reached or refused it."));
        request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
        signal?.addEventListener("abort", () => request.abort());
        request.send(data);
      }),
  );
}

/**
 * Analyse a file as a job. `report(stage, share)`: stage is uploading, waiting or transcribing.
 * Resolves to the result; aborting cancels the job.
 */
export async function analyzeAsJob(file, fields, report, signal) {
  const job = await upload("v1/jobs", form(file, fields), (share) => report("uploading", share), signal);
  const path = `v1/jobs/${encodeURIComponent(job.id)}`;
  jobs.add(path);
  try {
    let state = job;
    while (state.status === "queued" || state.status === "running") {
      report(state.status === "queued" ? "waiting" : "transcribing", state.progress);
      state = await (await call(`${path}?wait=5`, { signal })).json();
    }
    if (state.status !== "done") throw new Failure(state.error?.message ?? `The job was ${state.status}.`);
    return await (await call(`${path}/result?format=json`, { signal })).json();
  } finally {
    jobs.delete(path);
    forget(path).catch(() => {});
  }
}

/** Jobs of this page that the server still keeps. */
const jobs = new Set();

/** Cancels a job that waits or runs, and its result stays nowhere. */
function forget(path, options = {}) {
  return call(`${path}?forget=true`, { method: "DELETE", ...options });
}

// Closed in the middle of a job: `keepalive` lets the request outlive the page.
window.addEventListener("pagehide", () => {
  for (const path of jobs) forget(path, { keepalive: true }).catch(() => {});
});

export async function analyze(file, fields, signal) {
  return (await call("v1/analyze", { method: "POST", body: form(file, fields), signal })).json();
}

export async function redact(file, fields, onUpload, signal) {
  return upload("v1/redact", form(file, fields), onUpload, signal);
}

/** The result in another format, as text. */
export async function render(analysis, format) {
  const body = JSON.stringify(analysis);
  const options = { method: "POST", body, headers: { "Content-Type": "application/json" } };
  return (await call(`v1/render?format=${format}`, options)).text();
}
