// Answers scenario requests: one name per line on standard input, one JSON line per answer on standard output.
//
// A scenario is an async function; it passes when it returns (its value becomes the detail) and fails when it throws.
// Everything that the client library prints goes to standard error, so that standard output carries answers alone.
import { createInterface } from 'node:readline';

export const printed = [];

for (const level of ['log', 'info', 'warn', 'error', 'debug']) {
  console[level] = (...parts) => {
    printed.push({ level, text: parts.map(String).join(' ') });
    process.stderr.write(`${level}: ${parts.map(String).join(' ')}\n`);
  };
}

const plain = (_, value) => (typeof value === 'bigint' ? value.toString() : value);

function describe(error) {
  if (error instanceof Error) {
    const cause = error.error === undefined ? '' : ` ${JSON.stringify(error.error, plain)}`;
    return `${error.stack ?? error.message}${cause}`;
  }
  return JSON.stringify(error, plain) ?? String(error);
}

export async function serve(scenarios) {
  let abort = () => {};
  process.on('unhandledRejection', (reason) => abort(reason));
  process.on('uncaughtException', (reason) => abort(reason));
  for await (const line of createInterface({ input: process.stdin })) {
    const scenario = line.trim();
    const aborted = new Promise((_, reject) => {
      abort = reject;
    });
    aborted.catch(() => {});
    let answer;
    try {
      if (!(scenario in scenarios)) throw new Error(`unknown scenario ${scenario}`);
      const detail = await Promise.race([scenarios[scenario](), aborted]);
      answer = { scenario, ok: true, detail: detail ?? null };
    } catch (error) {
      answer = { scenario, ok: false, detail: describe(error) };
    }
    process.stdout.write(`${JSON.stringify(answer, plain)}\n`);
  }
  process.exit(0);
}

export function parseArguments() {
  const [endpoint, account] = process.argv.slice(2);
  if (!endpoint || !account) throw new Error('usage: node main.mjs ENDPOINT ACCOUNT < scenario names');
  return { endpoint, account };
}
