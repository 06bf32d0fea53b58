// A name for a service that its user gave none: an adjective and a thing of the sea, as Docker's are an
// adjective and a scientist.
import { SwarmError, type Random } from '../../base/index.ts';

const ADJECTIVES = (
  'able agile amber ample bold brave brisk bright calm clear clever crisp curious deft eager early ' +
  'easy fair fleet fond fresh gentle glad golden grand green happy hardy honest humble jolly keen ' +
  'kind lively loyal lucky mellow merry mild modest neat nimble noble patient plain proud quick ' +
  'quiet ready rosy serene sharp silver sincere smart solid spry steady stout sturdy sunny swift ' +
  'tidy tender thrifty true upbeat vivid warm wise witty young zesty'
).split(' ');

const THINGS = (
  'anchor atoll barge bay beacon bollard bow breaker brig buoy cape channel clipper compass coral ' +
  'cove cutter delta dinghy dock dory drifter ferry fjord galley gangway gull harbor helm herring ' +
  'inlet islet jetty kayak keel ketch lagoon lantern ledger lighthouse mackerel marina marlin mast ' +
  'narwhal oar orca osprey otter outrigger paddle pelican pier pilot plover porpoise quay raft reef ' +
  'rudder sailor salmon sandbar schooner seal sextant shoal skiff sloop sound spar strait swell ' +
  'tern tide trawler tug turtle walrus wharf yawl'
).split(' ');

const TRIES = 10;

/** One that is not in use; after a few tries with a number behind it. */
export function randomName(random: Random, isTaken: (name: string) => boolean): string {
  for (let tries = 0; tries < TRIES; tries++) {
    const name = `${oneOf(ADJECTIVES, random)}_${oneOf(THINGS, random)}`;
    const numbered = tries < TRIES / 2 ? name : `${name}${random.below(1_000_000)}`;
    if (!isTaken(numbered)) return numbered;
  }
  throw new SwarmError('exhausted', 'no free name was found for the service: give it one');
}

function oneOf(words: readonly string[], random: Random): string {
  return words[random.below(words.length)] ?? '';
}
