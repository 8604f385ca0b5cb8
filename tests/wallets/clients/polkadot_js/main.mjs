// Runs the scenarios with @polkadot/api 16.
import { ApiPromise, HttpProvider, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import * as util from '@polkadot/util';
import * as crypto from '@polkadot/util-crypto';

import { run } from '../polkadot_js_shared/run.mjs';

await run({ ApiPromise, HttpProvider, WsProvider, Keyring, util, crypto });
