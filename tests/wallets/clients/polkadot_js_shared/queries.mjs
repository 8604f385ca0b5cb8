// Scenarios that read: connection, metadata, constants, storage, headers and subscriptions.
import assert from 'node:assert/strict';

import { printed } from '../harness.mjs';

const PALLETS = ['system', 'timestamp', 'balances', 'assets', 'transactionPayment', 'utility', 'multisig', 'proxy', 'sudo'];

async function connect(session) {
  const api = await session.open();
  try {
    const [chain, name, version, properties] = await Promise.all([
      api.rpc.system.chain(),
      api.rpc.system.name(),
      api.rpc.system.version(),
      api.rpc.system.properties(),
    ]);
    assert.ok(chain.length > 0 && name.length > 0 && version.length > 0);
    assert.equal(properties.ss58Format.unwrap().toNumber(), api.consts.system.ss58Prefix.toNumber());
    assert.equal(properties.tokenDecimals.unwrap().length, properties.tokenSymbol.unwrap().length);
    assert.equal(api.genesisHash.toHex(), (await api.rpc.chain.getBlockHash(0)).toHex());
    return { chain: chain.toString(), name: name.toString(), version: version.toString() };
  } finally {
    await api.disconnect();
  }
}

async function metadata({ api }) {
  for (const pallet of PALLETS) assert.ok(api.query[pallet] ?? api.tx[pallet], `pallet ${pallet}`);
  assert.deepEqual(
    api.tx.balances.transferKeepAlive.meta.args.map((argument) => argument.name.toString()),
    ['dest', 'value'],
  );
  assert.ok(api.tx.balances.transferKeepAlive.meta.docs.length > 0, 'calls carry their documentation');
  assert.ok(api.events.balances.Transfer.meta.fields.length === 3);
  assert.ok(api.errors.balances.InsufficientBalance.meta.docs.length > 0, 'errors carry their documentation');
  const versions = await api.call.metadata.metadataVersions();
  const numbers = versions.map((version) => version.toNumber());
  assert.ok(numbers.includes(14) && numbers.includes(15), `versions ${numbers}`);
  for (const version of [14, 15]) {
    const bytes = (await api.call.metadata.metadataAtVersion(version)).unwrap();
    assert.equal(Buffer.from(bytes.subarray(0, 4)).toString(), 'meta');
    assert.equal(bytes[4], version);
  }
  assert.equal((await api.rpc.state.getMetadata()).version, 14);
  return numbers;
}

async function constants({ api }) {
  const version = api.consts.system.version;
  const runtime = await api.rpc.state.getRuntimeVersion();
  assert.equal(version.specName.toString(), runtime.specName.toString());
  assert.equal(version.specVersion.toNumber(), runtime.specVersion.toNumber());
  assert.equal(version.transactionVersion.toNumber(), runtime.transactionVersion.toNumber());
  const count = api.consts.system.blockHashCount.toNumber();
  assert.ok(count >= 512 && Number.isInteger(Math.log2(count)), `BlockHashCount ${count}`);
  assert.equal(api.consts.system.ss58Prefix.toNumber(), 42);
  assert.ok(api.consts.balances.existentialDeposit.toBigInt() > 0n);
  return { count, existentialDeposit: api.consts.balances.existentialDeposit.toString() };
}

async function accountQuery(session) {
  for (const key of [session.main, session.stash, session.edwards]) {
    const account = await session.api.query.system.account(key.address);
    assert.ok(account.data.free.toBigInt() > session.amount * 100n, `${key.address} is funded`);
    assert.ok(account.providers.toNumber() >= 1);
  }
  const empty = await session.api.query.system.account(session.recipient('nobody').address);
  assert.equal(empty.nonce.toNumber(), 0);
  assert.ok(empty.data.free.isZero());
  const all = await session.api.derive.balances.all(session.stash.address);
  assert.equal(all.freeBalance.toBigInt(), await session.free(session.stash.address));
}

async function multiQuery(session) {
  const keys = [session.main.address, session.stash.address, session.recipient('nobody').address];
  const many = await session.api.query.system.account.multi(keys);
  assert.deepEqual(
    many.map((account) => account.data.free.toBigInt() > 0n),
    [true, true, false],
  );
  const { system, balances, timestamp } = session.api.query;
  const mixed = await session.api.queryMulti([
    [system.account, keys[0]],
    [balances.totalIssuance],
    [timestamp.now],
  ]);
  assert.ok(mixed[1].toBigInt() > mixed[0].data.free.toBigInt());
  assert.ok(mixed[2].toNumber() > 1_600_000_000_000, 'the time is in milliseconds');
}

async function mapIteration(session) {
  const { account } = session.api.query.system;
  const hash = await session.api.rpc.chain.getBlockHash();
  const at = await session.api.at(hash);
  const entries = await at.query.system.account.entries();
  const found = new Map(entries.map(([key, value]) => [key.args[0].toString(), value]));
  assert.equal(found.size, entries.length, 'no account twice');
  for (const key of [session.main, session.stash, session.edwards]) assert.ok(found.has(key.address));
  const paged = [];
  for (;;) {
    const startKey = paged.length ? paged[paged.length - 1].toHex() : account.keyPrefix();
    const page = await session.api.rpc.state.getKeysPaged(account.keyPrefix(), 3, startKey, hash);
    assert.ok(page.length <= 3);
    paged.push(...page);
    if (page.length < 3) break;
  }
  assert.deepEqual(paged.map((key) => key.toHex()), entries.map(([key]) => key.toHex()));
  assert.deepEqual(paged.map((key) => key.toHex()), [...paged.map((key) => key.toHex())].sort());
  return entries.length;
}

async function storageSubscription(session) {
  const recipient = session.recipient('subscription');
  const values = [];
  let onChange = () => {};
  const stop = await session.api.query.system.account(recipient.address, (account) => {
    values.push(account.data.free.toBigInt());
    onChange();
  });
  try {
    while (values.length < 1) await new Promise((resolve) => (onChange = resolve));
    const outcome = await session.sendWell(session.transfer(recipient), session.main);
    while (values.length < 2) await new Promise((resolve) => (onChange = resolve));
    assert.equal(values[1] - values[0], session.amount);
    assert.equal(await session.free(recipient.address, await session.api.at(outcome.finalized)), values[1]);
  } finally {
    stop();
  }
}

async function runtimeVersionSubscription({ api }) {
  const seen = await new Promise((resolve, reject) => {
    api.rpc.state.subscribeRuntimeVersion(resolve).catch(reject);
  });
  assert.equal(seen.specVersion.toNumber(), api.consts.system.version.specVersion.toNumber());
  assert.equal(seen.specName.toString(), api.consts.system.version.specName.toString());
  return `${seen.specName}/${seen.specVersion}`;
}

async function headerHash({ api }) {
  const headers = [];
  await new Promise((resolve, reject) => {
    api.rpc.chain
      .subscribeNewHeads((header) => {
        headers.push(header);
        if (headers.length === 3) resolve();
      })
      .then((stop) => setTimeout(stop, 4000), reject);
  });
  headers.push(await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead()));
  // Not through api.rpc, which asks for the runtime version of the block: a pruning node forgets it.
  const genesis = await api._rpcCore.provider.send('chain_getHeader', [api.genesisHash.toHex()]);
  headers.push(api.registry.createType('Header', genesis));
  for (const header of headers) {
    const told = await api.rpc.chain.getBlockHash(header.number.toNumber());
    assert.equal(header.hash.toHex(), told.toHex(), `block ${header.number}`);
  }
  assert.equal(headers[1].parentHash.toHex(), headers[0].hash.toHex());
  assert.equal(headers[2].number.toNumber(), headers[0].number.toNumber() + 2);
  return headers[2].toHuman();
}

// The author of a block, whatever the consensus: the library finds it in the digest and Session.Validators.
async function blockAuthor({ api }) {
  const header = await api.derive.chain.getHeader(await api.rpc.chain.getFinalizedHead());
  const validators = await api.query.session.validators();
  assert.ok(validators.some((validator) => validator.eq(header.author)), `author ${header.author}`);
  return header.author.toString();
}

async function readProof(session) {
  const { account } = session.api.query.system;
  const keys = [session.main, session.recipient('nobody')].map(({ address }) => account.key(address));
  const { at, proof } = await session.api.rpc.state.getReadProof(keys);
  assert.equal(proof.length, keys.length, 'one proof for each key');
  assert.ok(proof.every((nodes) => nodes.length > 0));
  return at.toHex();
}

async function overHttp(session) {
  const { ApiPromise, HttpProvider } = session.library;
  const provider = new HttpProvider(session.endpoint.replace('ws:', 'http:'));
  const chain = await provider.send('system_chain', []);
  assert.equal(chain, (await session.api.rpc.system.chain()).toString());
  const api = new ApiPromise({ provider, initWasm: false, noInitWarn: true });
  await api.isReady;
  assert.equal(await session.free(session.stash.address, api), await session.free(session.stash.address));
}

// A question to the runtime that the chain offers as a subscription of its own: the library passes it through by name.
async function liveQuery(session) {
  const provider = new session.library.WsProvider(session.endpoint, false);
  await provider.connect();
  try {
    await provider.isReady;
    const before = await provider.send('energy_account', [session.main.address]);
    const answers = [];
    let onChange = () => {};
    const id = await provider.subscribe('energy_account', 'energy_subscribeAccount', [session.main.address], (error, answer) => {
      if (error) throw error;
      answers.push(answer);
      onChange();
    });
    while (answers.length < 1) await new Promise((resolve) => (onChange = resolve));
    assert.deepEqual(answers[0], before);
    await session.sendWell(session.api.tx.collateral.depositCollateral('Collateral', session.amount), session.main);
    while (answers.length < 2) await new Promise((resolve) => (onChange = resolve));
    const held = answers.map(({ guarantees }) => BigInt(guarantees.collateralHeld));
    assert.equal(held[1] - held[0], session.amount);
    assert.ok(await provider.unsubscribe('energy_account', 'energy_unsubscribeAccount', id));
    await assert.rejects(provider.send('energy_slot', [9, 1]), /zone 9 has no market/);
  } finally {
    await provider.disconnect();
  }
}

// What the library prints on connecting: a warning would stand on the screen of every user of the chain. That it
// does not know the `dev_` methods of a development chain, nor what is newer than the library, as on every node
// that has it (the `chainSpec_v1_` group, session keys with a proof), nor the chain's own methods and runtime APIs
// (`OffencesApi` and those of oracle, energy market, certificates and supervision), is all it may say.
const UNKNOWN_METHODS =
  /\b((dev|chainSpec_v1|oracle|energy|certificates|compliance)_\w+|author_rotateKeysWithOwner),? ?/g;
const OWN_APIS = [
  '0x81180b470cdd139d|OffencesApi',
  '0x6ef953004ba30e59|OracleApi',
  '0xbac4026d1ad5a190|EnergyMarketApi',
  '0x63463c760916c7ee|EnergyGridApi',
  '0xb95436f2fd1f4af1|EnergyMetersApi',
  '0x4f9153bedf16ea93|EnergySettlementApi',
  '0xafa8a2e90b8da6b5|EnergyAccountApi',
  '0x5ad3473fe8f0e1f1|CertificatesApi',
  '0x98cf18c375950e1f|ComplianceApi',
];
const UNKNOWN_APIS = new RegExp(`(SessionKeys/2 \\(1 known\\)|(${OWN_APIS.join('|')})/1),? ?`, 'g');
const NOTHING_LEFT = /disconnected from|methods not decorated:$|Not decorating [a-z ]+:$/;

async function quiet(session) {
  const before = printed.length;
  const api = await session.open();
  await api.disconnect();
  const warnings = printed.slice(before).map(({ text }) => text.replace(UNKNOWN_METHODS, '').replace(UNKNOWN_APIS, '').trim());
  assert.deepEqual(warnings.filter((text) => !NOTHING_LEFT.test(text)), []);
}

export const queries = {
  connect,
  metadata,
  constants,
  account_query: accountQuery,
  multi_query: multiQuery,
  map_iteration: mapIteration,
  storage_subscription: storageSubscription,
  runtime_version_subscription: runtimeVersionSubscription,
  header_hash: headerHash,
  block_author: blockAuthor,
  read_proof: readProof,
  over_http: overHttp,
  live_query: liveQuery,
  quiet,
};
