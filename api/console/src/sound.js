// What is heard. A browser is silent until somebody has pressed something: "开始值班" arms it.

const MUTE_MS = 90_000;
/** After how long an alarm that nobody has taken is heard again. */
const AGAIN_MS = { high: 4_000, medium: 15_000 };
const LOST_AGAIN_MS = 6_000;

let context = null;
let mutedUntil = 0;
const rangAt = { high: 0, medium: 0, lost: 0 };

/** Notes of each call: frequency in Hz and length in ms; a rest has no frequency. */
const CALLS = {
  high: [[880, 160], [0, 70], [880, 160], [0, 70], [1175, 300]],
  medium: [[659, 180], [0, 90], [659, 180]],
  low: [[523, 160]],
  test: [[523, 140], [659, 140], [784, 220]],
  lost: [[220, 350], [0, 80], [165, 500]],
};

export const isArmed = () => context !== null && context.state === "running";
export const muteLeft = () => Math.max(0, mutedUntil - Date.now());

/** Arms the sound by a person's gesture and lets it be heard. */
export async function arm() {
  context ??= new AudioContext();
  await context.resume();
  play("test");
}

export function disarm() {
  context?.close();
  context = null;
}

export function mute() {
  mutedUntil = Date.now() + MUTE_MS;
}

export function unmute() {
  mutedUntil = 0;
}

export function play(call) {
  window.dispatchEvent(new CustomEvent("yinling-sound", { detail: call }));
  if (!isArmed()) return;
  let at = context.currentTime + 0.02;
  for (const [frequency, length] of CALLS[call]) {
    if (frequency) note(frequency, at, length / 1000);
    at += length / 1000;
  }
}

function note(frequency, at, seconds) {
  const oscillator = context.createOscillator();
  const volume = context.createGain();
  oscillator.type = "triangle";
  oscillator.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.5, at + 0.01);
  volume.gain.setValueAtTime(0.5, at + seconds - 0.03);
  volume.gain.linearRampToValueAtTime(0, at + seconds);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + seconds);
}

/** Called every second: rings for what nobody has taken, and for a connection that is gone. */
export function tick({ waiting, isLost }) {
  const now = Date.now();
  const due = (call, again) => now - rangAt[call] >= again;
  const ring = (call) => { rangAt[call] = now; play(call); };
  // Nothing hides that this page is deaf: the mute is for alarms that are seen.
  if (isLost) {
    if (due("lost", LOST_AGAIN_MS)) ring("lost");
    return;
  }
  if (muteLeft() > 0) return;
  if (waiting.high && due("high", AGAIN_MS.high)) ring("high");
  else if (!waiting.high && waiting.medium && due("medium", AGAIN_MS.medium)) ring("medium");
}

/** Something new happened: heard at once, a mute notwithstanding when it is grave. */
export function announce(priority) {
  if (priority === "high") unmute();
  if (muteLeft() > 0 && priority !== "high") return;
  if (priority in rangAt) rangAt[priority] = Date.now();
  play(priority);
}
