// Scenarios of the transaction path: signing, watching, events, fees, nonces and refusals.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const WATCH_ATTEMPTS_MAX = 8;

async function transferFrom(session, signer, scenario, scheme) {
  for (let attempt = 0; attempt < WATCH_ATTEMPTS_MAX; attempt += 1) {
    const outcome = await watchedTransfer(session, signer, scenario, scheme);
    if (outcome.inBlock) return outcome;
  }
  throw new Error(`no inBlock notice in ${WATCH_ATTEMPTS_MAX} transactions`);
}

async function watchedTransfer(session, signer, scenario, scheme) {
  const recipient = session.recipient(scenario);
  const before = await session.free(recipient.address);
  const outcome = await session.sendWell(session.transfer(recipient), signer);
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  const included = await session.included(outcome);
  assert.ok(included.era.isMortalEra, 'the default era is mortal');
  assert.equal(included.signature.toHex().length, 2 + 2 * (scheme === 'Ecdsa' ? 65 : 64));
  assert.equal(included.multiSignature?.type ?? included.inner.signature.multiSignature.type, scheme);
  assert.equal(included.signer.toString(), signer.address);
  return { period: included.era.asMortalEra.period.toNumber(), inBlock: outcome.inBlock };
}

const transferSr25519 = (session) => transferFrom(session, session.main, 'sr25519', 'Sr25519');
const transferEd25519 = (session) => transferFrom(session, session.edwards, 'ed25519', 'Ed25519');

// No account of this kind is funded at genesis: its identity is a hash of the key, and it is paid for first.
async function transferEcdsa(session) {
  const { Keyring } = session.library;
  const signer = new Keyring({ type: 'ecdsa', ss58Format: session.api.registry.chainSS58 }).createFromUri(`//${session.account}`);
  await session.sendWell(session.transfer(signer, session.amount * 100_000n), session.main);
  return transferFrom(session, signer, 'ecdsa', 'Ecdsa');
}

async function dryRun(session) {
  const good = await session.transfer(session.recipient('dry')).dryRun(session.main);
  assert.ok(good.isOk && good.asOk.isOk, good.toString());
  const bad = await session.transfer(session.recipient('dry'), 2n ** 100n).dryRun(session.main);
  assert.ok(bad.isOk && bad.asOk.isErr, bad.toString());
  assert.equal(await session.free(session.recipient('dry').address), 0n, 'a dry run changes nothing');
}

async function events(session) {
  const recipient = session.recipient('events');
  const outcome = await session.sendWell(session.transfer(recipient), session.main);
  const [from, to, amount] = session.event(outcome, 'balances', 'Transfer');
  assert.equal(from.toString(), session.main.address);
  assert.equal(to.toString(), recipient.address);
  assert.equal(amount.toBigInt(), session.amount);
  const [who, fee, tip] = session.event(outcome, 'transactionPayment', 'TransactionFeePaid');
  assert.equal(who.toString(), session.main.address);
  assert.ok(fee.toBigInt() > 0n);
  assert.ok(tip.isZero());
  const [info] = session.event(outcome, 'system', 'ExtrinsicSuccess');
  assert.ok(info.class.isNormal && info.paysFee.isYes && info.weight.refTime.toBigInt() > 0n);
  assert.equal(outcome.events.at(-1).method, 'ExtrinsicSuccess', 'the verdict comes last');
}

async function moduleError(session) {
  const unknown = await session.send(session.api.tx.assets.transfer(4_000_000_000, session.stash.address, 1), session.main);
  assert.equal(unknown.error, 'assets.Unknown');
  const stranger = session.api.tx.proxy.removeProxy(session.recipient('nobody').address, 'Any', 0);
  assert.equal((await session.send(stranger, session.main)).error, 'proxy.NotFound');
  const tooMuch = await session.send(session.transfer(session.stash, 2n ** 100n), session.main);
  assert.ok(['balances.InsufficientBalance', 'Token.FundsUnavailable'].includes(tooMuch.error), tooMuch.error);
  assert.ok(session.event(tooMuch, 'transactionPayment', 'TransactionFeePaid')[1].toBigInt() > 0n, 'the fee is charged');
  return tooMuch.error;
}

// Fees follow the fullness of blocks, so the fee told holds for the next block; try again when that was missed.
// The stash pays: the main account may be a validator's, which earns the fees of its blocks.
async function fee(session) {
  const { rpc } = session.api;
  for (;;) {
    const best = await rpc.chain.getBlockHash();
    const transaction = session.transfer(session.recipient('fee'));
    const told = (await transaction.paymentInfo(session.stash)).partialFee.toBigInt();
    const before = await session.free(session.stash.address);
    const outcome = await session.sendWell(transaction, session.stash);
    const paid = session.event(outcome, 'transactionPayment', 'TransactionFeePaid')[1].toBigInt();
    assert.equal(before - (await session.free(session.stash.address)), session.amount + paid);
    const { parentHash } = await rpc.chain.getHeader(outcome.finalized);
    const old = await rpc.payment.queryInfo(transaction.toHex(), parentHash);
    assert.equal(old.partialFee.toBigInt(), paid, 'the fee told by the older method');
    const { inclusionFee } = await rpc.payment.queryFeeDetails(transaction.toHex(), parentHash);
    const { baseFee, lenFee, adjustedWeightFee } = inclusionFee.unwrap();
    assert.equal(baseFee.toBigInt() + lenFee.toBigInt() + adjustedWeightFee.toBigInt(), paid, 'the parts of the fee');
    if (!parentHash.eq(best)) continue;
    assert.equal(told, paid, 'the fee told equals the fee charged');
    return paid;
  }
}

async function tip(session) {
  const transaction = session.transfer(session.recipient('tip'));
  const outcome = await session.sendWell(transaction, session.main, { tip: session.depositMinimum });
  const [, paid, tipped] = session.event(outcome, 'transactionPayment', 'TransactionFeePaid');
  assert.equal(tipped.toBigInt(), session.depositMinimum);
  assert.ok(paid.toBigInt() > tipped.toBigInt(), 'the fee contains the tip');
}

async function nonceFromPool(session) {
  const { address } = session.main;
  const recipient = session.recipient('nonce');
  const before = await session.free(recipient.address);
  const first = await session.api.rpc.system.accountNextIndex(address);
  const pending = [session.send(session.transfer(recipient), session.main, { nonce: first })];
  let second = first;
  while (second.eq(first)) {
    // The library answers repeated questions from a cache, so the loop has to let time pass.
    await sleep(50);
    second = await session.api.rpc.system.accountNextIndex(address);
  }
  assert.equal(second.toNumber(), first.toNumber() + 1);
  pending.push(session.send(session.transfer(recipient), session.main, { nonce: second }));
  for (const outcome of await Promise.all(pending)) assert.equal(outcome.error, null);
  assert.equal((await session.free(recipient.address)) - before, 2n * session.amount);
}

async function historicalQuery(session) {
  const recipient = session.recipient('history');
  const outcome = await session.sendWell(session.transfer(recipient), session.main);
  const header = await session.api.rpc.chain.getHeader(outcome.finalized);
  const before = await session.free(recipient.address, await session.api.at(header.parentHash));
  const after = await session.free(recipient.address, await session.api.at(outcome.finalized));
  assert.equal(after - before, session.amount);
  const records = await (await session.api.at(outcome.finalized)).query.system.events();
  const own = records.filter(({ phase }) => phase.isApplyExtrinsic && phase.asApplyExtrinsic.eqn(outcome.index));
  assert.deepEqual(own.map(({ event }) => event.toHex()), outcome.events.map((event) => event.toHex()));
}

async function extrinsicHash(session) {
  const transaction = session.transfer(session.recipient('hash'));
  await transaction.signAsync(session.main);
  const told = await session.api.rpc.author.submitExtrinsic(transaction);
  assert.equal(told.toHex(), transaction.hash.toHex());
  assert.equal(transaction.hash.toHex(), session.library.crypto.blake2AsHex(transaction.toU8a(), 256));
  for (;;) {
    const { block } = await session.api.rpc.chain.getBlock();
    if (block.extrinsics.some((extrinsic) => extrinsic.hash.eq(told))) return told.toHex();
    await sleep(200);
  }
}

async function longPayload(session) {
  const remark = `0x${'5a'.repeat(300)}`;
  const outcome = await session.sendWell(session.api.tx.system.remarkWithEvent(remark), session.main);
  const [sender, hash] = session.event(outcome, 'system', 'Remarked');
  assert.equal(sender.toString(), session.main.address);
  assert.equal(hash.toHex(), session.library.crypto.blake2AsHex(remark, 256));
}

async function immortal(session) {
  const outcome = await session.sendWell(session.transfer(session.recipient('immortal')), session.main, { era: 0 });
  assert.ok((await session.included(outcome)).era.isImmortalEra);
}

async function staleNonce(session) {
  const used = (await session.api.query.system.account(session.main.address)).nonce.toNumber();
  if (used === 0) await session.sendWell(session.api.tx.system.remark('0x00'), session.main);
  const attempt = session.transfer(session.stash).signAndSend(session.main, { nonce: 0 });
  await assert.rejects(attempt, (error) => error.code === 1010 && /outdated/.test(`${error.message} ${error.data}`));
}

async function badSignature(session) {
  const transaction = session.transfer(session.stash);
  await transaction.signAsync(session.main);
  const bytes = transaction.toU8a();
  bytes[bytes.length - 1] ^= 1;
  const attempt = session.api.rpc.author.submitExtrinsic(session.library.util.u8aToHex(bytes));
  await assert.rejects(attempt, (error) => error.code === 1010 && /bad signature/.test(`${error.message} ${error.data}`));
}

async function unfunded(session) {
  const attempt = session.transfer(session.stash).signAndSend(session.recipient('nobody'));
  await assert.rejects(attempt, (error) => error.code === 1010 && /fees/.test(`${error.message} ${error.data}`));
}

export const transactions = {
  transfer_sr25519: transferSr25519,
  transfer_ed25519: transferEd25519,
  transfer_ecdsa: transferEcdsa,
  dry_run: dryRun,
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
