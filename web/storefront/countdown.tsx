// The honest clock: how long the seats stay held, on the server's time, spoken aloud only at a few marks.
import { useEffect, useRef, useState } from "preact/hooks";
import { countdownMood, formatCountdown, type ServerClock, spokenCountdown } from "../shared/clock";

interface CountdownProps {
  until: string;
  clock: ServerClock;
  onOver: () => void;
  onSpeak: (sentence: string) => void;
}

export function Countdown({ until, clock, onOver, onSpeak }: CountdownProps) {
  const seconds = useSecondsUntil(until, clock);
  const before = useRef(seconds);
  const over = useRef(onOver);
  over.current = onOver;
  useEffect(() => {
    const sentence = spokenCountdown(before.current, seconds);
    before.current = seconds;
    if (sentence) onSpeak(sentence);
    if (seconds === 0) over.current();
  }, [seconds]);
  return (
    <span class={`countdown countdown-${countdownMood(seconds)}`}>
      Held <time>{formatCountdown(seconds)}</time>
    </span>
  );
}

export function useSecondsUntil(until: string, clock: ServerClock): number {
  const [seconds, setSeconds] = useState(() => clock.secondsUntil(until));
  useEffect(() => {
    const tick = () => setSeconds(clock.secondsUntil(until));
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [until, clock]);
  return seconds;
}
