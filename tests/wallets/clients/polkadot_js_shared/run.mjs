// Connects once and serves every scenario; the library version is handed in by the caller.
import { parseArguments, serve } from '../harness.mjs';
import { pallets } from './pallets.mjs';
import { queries } from './queries.mjs';
import { Session } from './session.mjs';
import { transactions } from './transactions.mjs';

export async function run(library) {
  const session = new Session(library, parseArguments());
  const all = { ...queries, ...transactions, ...pallets };
  const bound = Object.entries(all).map(([name, scenario]) => [
    name,
    async () => {
      await session.connect();
      return scenario(session);
    },
  ]);
  await serve(Object.fromEntries(bound));
}
