// Scenarios of the transaction path: signing, watching, events, fees, nonces and refusals.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { blake2b256 } from '@polkadot-labs/hdkd-helpers';
import { Enum, InvalidTxError } from 'polkadot-api';

import { hex } from './queries.mjs';

// Offsets in a signed extrinsic with a two-byte length prefix: version, address (33), signature (65), era.
const ADDRESS = 3;
const SIGNATURE = ADDRESS + 33;
const ERA = SIGNATURE + 65;
const SCHEMES = { Ed25519: 0, Sr25519: 1 };

async function transferFrom(session, from, scenario, scheme) {
  const recipient = session.recipient(scenario);
  const before = await session.free(recipient.address);
  const outcome = await session.sendWell(session.transfer(recipient), from);
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  const bytes = await session.included(outcome);
  assert.equal(hex(bytes.slice(ADDRESS + 1, SIGNATURE)), hex(from.publicKey));
  assert.equal(bytes[SIGNATURE], SCHEMES[scheme]);
  assert.equal(bytes[ERA] & 15, 5, 'the default era is mortal for 64 blocks');
  return outcome.finalized;
}

const transferSr25519 = (session) => transferFrom(session, session.main, 'sr25519', 'Sr25519');
const transferEd25519 = (session) => transferFrom(session, session.edwards, 'ed25519', 'Ed25519');

async function events(session) {
  const recipient = session.recipient('events');
  const outcome = await session.sendWell(session.transfer(recipient), session.main);
  assert.deepEqual(session.event(outcome, 'Balances', 'Transfer'), {
    from: session.main.address,
    to: recipient.address,
    amount: session.amount,
  });
  const paid = session.event(outcome, 'TransactionPayment', 'TransactionFeePaid');
  assert.equal(paid.who, session.main.address);
  assert.ok(paid.actual_fee > 0n);
  assert.equal(paid.tip, 0n);
  const info = session.event(outcome, 'System', 'ExtrinsicSuccess').dispatch_info;
  assert.equal(info.class.type, 'Normal');
  assert.equal(info.pays_fee.type, 'Yes');
  assert.ok(info.weight.ref_time > 0n);
  const told = await session.api.event.Balances.Transfer.get(outcome.finalized);
  assert.ok(told.some(({ payload }) => payload.to === recipient.address), 'events are found by block as well');
}

async function moduleError(session) {
  const { tx } = session.api;
  const target = Enum('Id', session.stash.address);
  const unknown = await session.send(tx.Assets.transfer({ id: 4_000_000_000, target, amount: 1n }), session.main);
  assert.equal(unknown.error, 'Assets.Unknown');
  const stranger = { delegate: Enum('Id', session.recipient('nobody').address), proxy_type: Enum('Any'), delay: 0 };
  assert.equal((await session.send(tx.Proxy.remove_proxy(stranger), session.main)).error, 'Proxy.NotFound');
  const tooMuch = await session.send(session.transfer(session.stash, 2n ** 100n), session.main);
  assert.ok(['Balances.InsufficientBalance', 'Token.FundsUnavailable'].includes(tooMuch.error), tooMuch.error);
  assert.ok(session.event(tooMuch, 'TransactionPayment', 'TransactionFeePaid').actual_fee > 0n, 'the fee is charged');
  return tooMuch.error;
}

// Fees follow the fullness of blocks, so the fee told holds for the next block; try again when that was missed.
// The stash pays: the main account may be a validator's, which earns the fees of its blocks.
async function fee(session) {
  for (;;) {
    const finalized = await session.client.getFinalizedBlock();
    const transaction = session.transfer(session.recipient('fee'));
    const told = await transaction.getEstimatedFees(session.stash.publicKey);
    const before = await session.free(session.stash.address);
    const outcome = await session.sendWell(transaction, session.stash);
    const paid = session.event(outcome, 'TransactionPayment', 'TransactionFeePaid').actual_fee;
    assert.equal(before - (await session.free(session.stash.address)), session.amount + paid);
    const { parentHash } = await session.client.getBlockHeader(outcome.finalized);
    if (parentHash !== finalized.hash) continue;
    assert.equal(told, paid, 'the fee told equals the fee charged');
    return paid;
  }
}

async function tip(session) {
  const transaction = session.transfer(session.recipient('tip'));
  const outcome = await session.sendWell(transaction, session.main, { tip: session.depositMinimum });
  const paid = session.event(outcome, 'TransactionPayment', 'TransactionFeePaid');
  assert.equal(paid.tip, session.depositMinimum);
  assert.ok(paid.actual_fee > paid.tip, 'the fee contains the tip');
}

async function nonceFromPool(session) {
  const recipient = session.recipient('nonce');
  const before = await session.free(recipient.address);
  const next = () => session.request('system_accountNextIndex', session.main.address);
  const first = await next();
  const pending = [session.send(session.transfer(recipient), session.main, { nonce: first })];
  let second = first;
  while (second === first) {
    await sleep(50);
    second = await next();
  }
  assert.equal(second, first + 1);
  pending.push(session.send(session.transfer(recipient), session.main, { nonce: second }));
  for (const outcome of await Promise.all(pending)) assert.equal(outcome.error, null);
  assert.equal((await session.free(recipient.address)) - before, 2n * session.amount);
}

async function historicalQuery(session) {
  const recipient = session.recipient('history');
  const outcome = await session.sendWell(session.transfer(recipient), session.main);
  const { parentHash } = await session.client.getBlockHeader(outcome.finalized);
  const before = await session.free(recipient.address, parentHash);
  const after = await session.free(recipient.address, outcome.finalized);
  assert.equal(after - before, session.amount);
}

async function extrinsicHash(session) {
  const bytes = await session.transfer(session.recipient('hash')).sign(session.main.signer);
  const own = hex(blake2b256(bytes));
  const outcome = await session.client.submit(bytes);
  assert.equal(outcome.txHash, own);
  const again = await session.transfer(session.recipient('hash')).sign(session.main.signer);
  assert.equal(await session.request('author_submitExtrinsic', hex(again)), hex(blake2b256(again)));
  const nonce = await session.request('system_accountNextIndex', session.main.address);
  while ((await session.api.query.System.Account.getValue(session.main.address)).nonce !== nonce) {
    await sleep(200);
  }
  return own;
}

async function longPayload(session) {
  const remark = new Uint8Array(300).fill(0x5a);
  const call = session.api.tx.System.remark_with_event({ remark });
  const outcome = await session.sendWell(call, session.main);
  const { sender, hash } = session.event(outcome, 'System', 'Remarked');
  assert.equal(sender, session.main.address);
  assert.equal(hash, hex(blake2b256(remark)));
}

async function immortal(session) {
  const transaction = session.transfer(session.recipient('immortal'));
  const outcome = await session.sendWell(transaction, session.main, { mortality: { mortal: false } });
  assert.equal((await session.included(outcome))[ERA], 0);
}

async function staleNonce(session) {
  const { nonce } = await session.api.query.System.Account.getValue(session.main.address);
  if (nonce === 0) await session.sendWell(session.transfer(session.stash), session.main);
  const transaction = session.transfer(session.stash);
  const watched = session.send(transaction, session.main, { nonce: 0 });
  await assert.rejects(watched, (error) => error instanceof InvalidTxError && error.error.value.type === 'Stale');
  const bytes = await transaction.sign(session.main.signer, { nonce: 0 });
  await assert.rejects(
    session.request('author_submitExtrinsic', hex(bytes)),
    (error) => error.code === 1010 && /outdated/.test(error.data),
  );
}

async function badSignature(session) {
  const bytes = await session.transfer(session.stash).sign(session.main.signer);
  bytes[bytes.length - 1] ^= 1;
  await assert.rejects(
    session.client.submit(bytes),
    (error) => error instanceof InvalidTxError && error.error.value.type === 'BadProof',
  );
  await assert.rejects(
    session.request('author_submitExtrinsic', hex(bytes)),
    (error) => error.code === 1010 && /bad signature/.test(error.data),
  );
}

async function unfunded(session) {
  const attempt = session.send(session.transfer(session.stash), session.recipient('nobody'));
  await assert.rejects(attempt, (error) => error instanceof InvalidTxError && error.error.value.type === 'Payment');
}

export const transactions = {
  transfer_sr25519: transferSr25519,
  transfer_ed25519: transferEd25519,
  events,
  module_error: moduleError,
  fee,
  tip,
  nonce_from_pool: nonceFromPool,
  historical_query: historicalQuery,
  extrinsic_hash: extrinsicHash,
  long_payload: longPayload,
  immortal,
  stale_nonce: staleNonce,
  bad_signature: badSignature,
  unfunded,
};
