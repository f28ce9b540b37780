// The feed, live: server-sent events over fetch (an EventSource cannot carry a token), resumed by cursor.
import { headers } from "./api.js";
import { serverSays } from "./time.js";

/** Without a sign of life for so long the connection counts as lost, whatever the browser thinks. */
const SILENCE_MS = 30_000;
const RETRY_MS = [500, 1_000, 2_000, 3_000, 5_000];

/** One page's place in the feed. `state` is "connecting", "live" or "lost"; `since` when it became so. */
export class Live {
  constructor({ onEvents, onGap, onState, onRefused, onHeartbeat }) {
    Object.assign(this, { onEvents, onGap, onState, onRefused, onHeartbeat });
    this.cursor = null;
    this.state = "connecting";
    this.since = Date.now();
    this.tries = 0;
    this.stopped = false;
  }

  /** Follows from a cursor on. */
  start(cursor) {
    this.cursor = cursor;
    this.stopped = false;
    this.runs = (this.runs ?? 0) + 1;
    this.run(this.runs);
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
    clearTimeout(this.silence);
  }

  say(state) {
    if (this.state === state) return;
    this.state = state;
    this.since = Date.now();
    this.onState(state);
  }

  alive() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => { this.say("lost"); this.abort?.abort(); }, SILENCE_MS);
  }

  /** One run at a time: an earlier one that still waits ends when a later one has begun. */
  async run(number) {
    const isOver = () => this.stopped || number !== this.runs;
    while (!isOver()) {
      try {
        await this.follow();
      } catch (error) {
        if (isOver()) return;
        if (error.status === 401 || error.status === 403) return this.onRefused();
        if (error.status === 410) { await this.gap(); continue; }
      }
      if (isOver()) return;
      clearTimeout(this.silence);
      this.say("lost");
      const pause = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)];
      this.tries += 1;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async gap() {
    this.cursor = await this.onGap().catch(() => this.cursor);
  }

  async follow() {
    this.abort = new AbortController();
    this.alive();
    const after = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "?after=latest";
    const response = await fetch(`/api/v1/events/stream${after}`, {
      headers: headers({ accept: "text/event-stream" }), signal: this.abort.signal, cache: "no-store",
    });
    if (!response.ok) throw Object.assign(new Error("refused"), { status: response.status });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.alive();
      text += value;
      const end = text.lastIndexOf("\n\n");
      if (end < 0) continue;
      const whole = text.slice(0, end);
      text = text.slice(end + 2);
      if (await this.take(whole.split("\n\n"))) return;
    }
  }

  /** Takes what arrived; true when the server says good-bye. */
  async take(messages) {
    const events = [];
    let over = false;
    for (const message of messages) {
      const field = (name) => message.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field("data");
      if (!data) continue;
      const kind = field("event");
      if (kind === undefined) events.push(JSON.parse(data));
      else if (kind === "heartbeat") { serverSays(JSON.parse(data).time); this.tries = 0; this.say("live"); this.onHeartbeat(); }
      else if (kind === "gap") { await this.gap(); over = true; }
      else if (kind === "unauthenticated") { this.stop(); this.onRefused(); over = true; }
      else over = true;
      this.cursor = field("id") ?? this.cursor;
    }
    if (events.length) this.onEvents(events);
    return over;
  }
}
