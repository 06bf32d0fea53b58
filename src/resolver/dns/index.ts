// DNS messages, answers and forwarding.
export { lookUp } from './answer-table.ts';
export { RCODE, encodeAnswer, parseQuestion } from './dns-message.ts';
export { Forwarder } from './forwarder.ts';
export { parseResolvConf } from './resolv-conf.ts';
export { serveQuestions } from './tcp-questions.ts';
