// Runs the scenarios with polkadot-api.
import { parseArguments, serve } from '../harness.mjs';
import { pallets } from './pallets.mjs';
import { queries } from './queries.mjs';
import { Session } from './session.mjs';
import { transactions } from './transactions.mjs';

const session = new Session(parseArguments());
const bound = Object.entries({ ...queries, ...transactions, ...pallets }).map(([name, scenario]) => [
  name,
  async () => {
    await session.connect();
    return scenario(session);
  },
]);
await serve(Object.fromEntries(bound));
