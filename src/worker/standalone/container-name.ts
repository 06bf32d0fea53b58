// Names for containers whose users gave none: an adjective and an animal, as people can say and remember.
import type { Random } from '../../base/index.ts';

const ADJECTIVES =
  'agile amber brave brisk calm clever cosmic eager early fair fleet gentle golden happy humble jolly keen kind lively lucky mellow merry nimble noble proud quick quiet rapid shy silver steady swift tidy vivid warm wise'.split(
    ' ',
  );
const ANIMALS =
  'badger beaver bison crane dolphin eagle falcon ferret finch fox gecko hare heron ibex jackal jay koala lark lemur lynx magpie marten moose newt orca osprey otter panda puffin raven robin seal sparrow stork swan tapir tern trout viper walrus wren yak zebra'.split(
    ' ',
  );
const TRIES_MAX = 100;

/** One that `taken` does not know; with a number once luck runs out. */
export function chooseName(random: Random, taken: (name: string) => boolean): string {
  const pick = (words: readonly string[]): string => words[random.below(words.length)] ?? '';
  for (let tries = 0; ; tries++) {
    const name = `${pick(ADJECTIVES)}_${pick(ANIMALS)}`;
    const numbered = tries < TRIES_MAX ? name : `${name}${tries}`;
    if (!taken(numbered)) return numbered;
  }
}
