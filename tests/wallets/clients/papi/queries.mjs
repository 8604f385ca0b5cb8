// Scenarios that read: connection, metadata, constants, storage, headers and subscriptions.
import assert from 'node:assert/strict';

import { blake2b256 } from '@polkadot-labs/hdkd-helpers';
import { decAnyMetadata, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { AccountId } from 'polkadot-api';

const PALLETS = ['System', 'Timestamp', 'Balances', 'Assets', 'TransactionPayment', 'Utility', 'Multisig', 'Proxy', 'Sudo'];

export const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;

async function connect(session) {
  const client = session.open();
  try {
    const { name, genesisHash, properties } = await client.getChainSpecData();
    assert.ok(name.length > 0);
    assert.equal(genesisHash, await session.request('chain_getBlockHash', 0));
    assert.equal(properties.ss58Format, 42);
    const best = await client.getBestBlocks();
    assert.ok(best.length >= 1);
    return { name, properties };
  } finally {
    client.destroy();
  }
}

async function metadata({ client }) {
  const { hash } = await client.getFinalizedBlock();
  const { pallets, apis, extrinsic } = unifyMetadata(decAnyMetadata(await client.getMetadata(hash)));
  const names = pallets.map(({ name }) => name);
  for (const name of PALLETS) assert.ok(names.includes(name), `pallet ${name}`);
  const runtimeApis = apis.map(({ name }) => name);
  for (const name of ['Core', 'Metadata', 'TransactionPaymentApi', 'AccountNonceApi', 'TaggedTransactionQueue']) {
    assert.ok(runtimeApis.includes(name), `runtime api ${name}`);
  }
  assert.deepEqual(extrinsic.version, [4]);
  return names;
}

async function constants({ api, client }) {
  const version = await api.constants.System.Version();
  const runtime = await client._request('state_getRuntimeVersion', []);
  assert.equal(version.spec_name, runtime.specName);
  assert.equal(version.spec_version, runtime.specVersion);
  assert.equal(version.transaction_version, runtime.transactionVersion);
  const count = await api.constants.System.BlockHashCount();
  assert.ok(count >= 512 && Number.isInteger(Math.log2(count)), `BlockHashCount ${count}`);
  assert.equal(await api.constants.System.SS58Prefix(), 42);
  assert.ok((await api.constants.Balances.ExistentialDeposit()) > 0n);
  const viaCall = await api.apis.Core.version({ at: 'best' });
  assert.equal(viaCall.spec_version, version.spec_version);
}

async function accountQuery(session) {
  for (const key of [session.main, session.stash, session.edwards]) {
    const account = await session.api.query.System.Account.getValue(key.address);
    assert.ok(account.data.free > session.amount * 100n, `${key.address} is funded`);
    assert.ok(account.providers >= 1);
  }
  const empty = await session.api.query.System.Account.getValue(session.recipient('nobody').address);
  assert.equal(empty.nonce, 0);
  assert.equal(empty.data.free, 0n);
  assert.ok((await session.api.query.Timestamp.Now.getValue()) > 1_600_000_000_000n);
}

async function multiQuery(session) {
  const keys = [session.main, session.stash, session.recipient('nobody')].map(({ address }) => [address]);
  const many = await session.api.query.System.Account.getValues(keys);
  assert.deepEqual(
    many.map(({ data }) => data.free > 0n),
    [true, true, false],
  );
}

async function mapIteration(session) {
  const { hash } = await session.client.getFinalizedBlock();
  const entries = await session.api.query.System.Account.getEntries({ at: hash });
  const found = new Set(entries.map(({ keyArgs }) => keyArgs[0]));
  assert.equal(found.size, entries.length, 'no account twice');
  for (const { address } of [session.main, session.stash, session.edwards]) assert.ok(found.has(address));
  return entries.length;
}

async function storageSubscription(session) {
  const recipient = session.recipient('subscription');
  const values = [];
  let onChange = () => {};
  const watch = session.api.query.System.Account.watchValue(recipient.address, { at: 'best' });
  const subscription = watch.subscribe(({ value }) => {
    values.push(value.data.free);
    onChange();
  });
  try {
    while (values.length < 1) await new Promise((resolve) => (onChange = resolve));
    await session.sendWell(session.transfer(recipient), session.main);
    // The library may tell an unchanged value again.
    while (values.at(-1) === values[0]) await new Promise((resolve) => (onChange = resolve));
    assert.equal(values.at(-1) - values[0], session.amount);
  } finally {
    subscription.unsubscribe();
  }
}

async function runtimeVersionSubscription({ api, client }) {
  const watch = client._subscribe('state_subscribeRuntimeVersion', 'state_unsubscribeRuntimeVersion', []);
  const seen = await new Promise((resolve, reject) => {
    const subscription = watch.subscribe({
      next: (version) => {
        setTimeout(() => subscription.unsubscribe());
        resolve(version);
      },
      error: reject,
    });
  });
  const version = await api.constants.System.Version();
  assert.equal(seen.specVersion, version.spec_version);
  assert.equal(seen.specName, version.spec_name);
  return `${seen.specName}/${seen.specVersion}`;
}

// The library derives block hashes from the headers it is sent; the node must give the same ones.
async function headerHash(session) {
  const blocks = await new Promise((resolve, reject) => {
    const seen = [];
    const subscription = session.client.finalizedBlock$.subscribe({
      next: (block) => {
        seen.push(block);
        if (seen.length < 3) return;
        setTimeout(() => subscription.unsubscribe());
        resolve(seen);
      },
      error: reject,
    });
  });
  for (const { hash, number } of blocks) {
    assert.equal(await session.request('chain_getBlockHash', number), hash);
    const header = await session.client.getBlockHeader(hash);
    assert.equal(header.number, number);
  }
  assert.equal(blocks[1].parent, blocks[0].hash);
  return blocks.at(-1);
}

async function runtimeCalls(session) {
  const nonce = await session.api.apis.AccountNonceApi.account_nonce(session.main.address, { at: 'best' });
  const account = await session.api.query.System.Account.getValue(session.main.address, { at: 'best' });
  assert.equal(nonce, account.nonce);
  const versions = await session.api.apis.Metadata.metadata_versions();
  assert.ok(versions.includes(14) && versions.includes(15));
  assert.equal(AccountId(42).dec(session.main.publicKey), session.main.address);
  assert.equal(hex(blake2b256(new Uint8Array())).length, 66);
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
  runtime_calls: runtimeCalls,
};
