/** What happens while Redis does not answer: people are told, and in the end the connection is replaced. */
import type { Redis } from 'ioredis';
import type { Address } from './address.js';

/**
 * Milliseconds without an answer after which a connection is given up for a new one: the other end may have forgotten it, after another
 * address or a tunnel that was restarted, of which TCP tells after a quarter of an hour. A chunk of a file at 70 KB/s takes as long.
 */
const GIVE_UP = 120_000;

/** Milliseconds between two questions whether Redis answers, and of silence after which people are told. */
const ASK = 2000;
const SILENT = 15_000;

/** Reports once that Redis is unreachable, and once that it is back. */
export function tellOfAbsence(
  redis: Redis,
  { shown }: Address,
  onNote: (text: string) => void,
): void {
  let away = false;
  redis.on('close', () => {
    if (redis.status === 'end' || away) return;
    away = true;
    onNote(`${shown} is unreachable; waiting for it`);
  });
  redis.on('ready', () => {
    if (away) onNote(`${shown} is back`);
    away = false;
  });
}

/** Reports once that Redis has not answered for long, as a frozen one does not, and once that it answers again. */
export function tellOfSilence(
  redis: Redis,
  { shown }: Address,
  onNote: (text: string) => void,
  giveUp?: number,
): NodeJS.Timeout {
  let told = false;
  const onSilence = (milliseconds: number) => {
    if (told || milliseconds <= SILENT) return;
    told = true;
    onNote(`${shown} has not answered for ${SILENT / 1000} s; waiting for it`);
  };
  const onAnswer = () => {
    if (told) onNote(`${shown} answers again`);
    told = false;
  };
  return ask(redis, { giveUp, onSilence, onAnswer });
}

interface AskOptions {
  readonly giveUp?: number | undefined;
  readonly onSilence?: (milliseconds: number) => void;
  readonly onAnswer?: () => void;
}

/** Asks regularly whether Redis answers, and replaces a connection on which it does not. */
export function ask(
  redis: Pick<Redis, 'status' | 'ping' | 'disconnect'>,
  { giveUp = GIVE_UP, onSilence = () => {}, onAnswer = () => {} }: AskOptions = {},
): NodeJS.Timeout {
  let asked: number | undefined;
  const answered = () => {
    asked = undefined;
    onAnswer();
  };
  const timer = setInterval(
    () => {
      if (redis.status !== 'ready') return;
      const now = performance.now();
      if (asked === undefined) {
        asked = now;
        redis.ping().then(answered, answered);
      } else if (now - asked > giveUp) {
        // Commands that are under way, this question too, are sent again by the next connection.
        asked = now;
        redis.disconnect(true);
      } else onSilence(now - asked);
    },
    Math.min(ASK, giveUp),
  );
  timer.unref();
  return timer;
}
