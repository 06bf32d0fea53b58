// When a node asks for its next certificate: long before the present one ends, and not when all others do.
import { messageOf, type Clock, type Logger, type Random, type Timer } from '../../base/index.ts';
import { certificateValidity } from '../../platform/index.ts';

/** A certificate is renewed at a random point between these parts of its life (SwarmKit's). */
const RENEW_FROM = 0.5;
const RENEW_TO = 0.8;
const RETRY_MS = 60_000;
/** A timer must not be trusted with months. */
const CHECK_MAX_MS = 24 * 3_600_000;

/** What it works on. */
export interface RenewalPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The present one, PEM. */
  readonly certificate: () => string;
  /** Asks for the next one. */
  readonly renew: () => Promise<void>;
}

/** The schedule of one node. */
export class CertificateRenewal {
  readonly #ports: RenewalPorts;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(ports: RenewalPorts) {
    this.#ports = ports;
  }

  /** Draws the time for the present certificate; goes on by itself after each renewal. */
  schedule(): void {
    const { clock, random, logger, certificate, renew } = this.#ports;
    const { from, to } = certificateValidity(certificate());
    const part = RENEW_FROM + (random.below(1000) / 1000) * (RENEW_TO - RENEW_FROM);
    const dueAt = from + (to - from) * part;
    const look = (): void => {
      if (this.#stopped) return;
      const left = dueAt - clock.now();
      if (left > 0) {
        this.#timer = clock.after(Math.min(left, CHECK_MAX_MS), look);
        return;
      }
      renew().then(
        () => this.schedule(),
        (error: unknown) => {
          logger.warn({ error: messageOf(error) }, 'certificate could not be renewed');
          this.#timer = clock.after(RETRY_MS, look);
        },
      );
    };
    look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
