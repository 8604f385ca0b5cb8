// Scenarios of the pallets that wallets compose transactions with: Utility, Multisig, Proxy, Assets, Sudo.
import assert from 'node:assert/strict';

import { getMultisigAccountId, sortMultisigSignatories } from '@polkadot-api/substrate-bindings';
import { blake2b256, ss58Address } from '@polkadot-labs/hdkd-helpers';
import { AccountId, Enum } from 'polkadot-api';

import { hex } from './queries.mjs';

const WEIGHT = { ref_time: 1_000_000_000n, proof_size: 100_000n };
const id = (account) => Enum('Id', account.address);
const assetTransfer = (session, to) => session.api.tx.Assets.transfer({ id: 4_000_000_000, target: id(to), amount: 1n });

async function batchAll(session) {
  const recipients = [session.recipient('batch//1'), session.recipient('batch//2')];
  const before = await Promise.all(recipients.map(({ address }) => session.free(address)));
  const calls = recipients.map((recipient) => session.transfer(recipient).decodedCall);
  const outcome = await session.sendWell(session.api.tx.Utility.batch_all({ calls }), session.main);
  assert.equal(outcome.events.filter(({ value }) => value.type === 'ItemCompleted').length, 2);
  session.event(outcome, 'Utility', 'BatchCompleted');
  const after = await Promise.all(recipients.map(({ address }) => session.free(address)));
  after.forEach((free, index) => assert.equal(free - before[index], session.amount));
}

async function batchInterrupted(session) {
  const recipient = session.recipient('interrupted');
  const before = await session.free(recipient.address);
  const calls = [session.transfer(recipient), assetTransfer(session, recipient), session.transfer(recipient)];
  const batch = session.api.tx.Utility.batch({ calls: calls.map((call) => call.decodedCall) });
  const { index, error } = session.event(await session.sendWell(batch, session.main), 'Utility', 'BatchInterrupted');
  assert.equal(index, 1);
  assert.equal(session.errorName(error), 'Assets.Unknown');
  assert.equal((await session.free(recipient.address)) - before, session.amount);
}

async function multisig(session) {
  const { tx, query } = session.api;
  const signers = [session.main, session.stash, session.edwards];
  const publicKeys = signers.map(({ publicKey }) => publicKey);
  const address = ss58Address(getMultisigAccountId({ threshold: 2, signatories: publicKeys }), 42);
  const others = (signer) =>
    sortMultisigSignatories(publicKeys.filter((key) => key !== signer.publicKey)).map((key) => AccountId(42).dec(key));
  await session.sendWell(session.transfer({ address }, 3n * session.amount), session.main);

  const recipient = session.recipient('multisig');
  const before = await session.free(recipient.address);
  const inner = session.transfer(recipient);
  const asMulti = (signer, when) =>
    tx.Multisig.as_multi({
      threshold: 2,
      other_signatories: others(signer),
      maybe_timepoint: when,
      call: inner.decodedCall,
      max_weight: WEIGHT,
    });
  const callHash = hex(blake2b256(await inner.getEncodedData()));
  const opened = session.event(await session.sendWell(asMulti(signers[0]), signers[0]), 'Multisig', 'NewMultisig');
  assert.equal(opened.multisig, address, 'the client computes the address of the multisig account');
  assert.equal(opened.call_hash, callHash);
  const open = await query.Multisig.Multisigs.getValue(address, opened.call_hash);
  assert.deepEqual(open.approvals, [signers[0].address]);

  const second = await session.sendWell(asMulti(signers[1], open.when), signers[1]);
  assert.ok(session.event(second, 'Multisig', 'MultisigExecuted').result.success);
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  assert.equal(await query.Multisig.Multisigs.getValue(address, opened.call_hash), undefined);
}

async function proxy(session) {
  const { tx, query } = session.api;
  const { main, stash } = session;
  const recipient = session.recipient('proxy');
  const before = await session.free(recipient.address);
  const definition = { delegate: id(main), proxy_type: Enum('Any'), delay: 0 };
  await session.sendWell(tx.Proxy.add_proxy(definition), stash);
  const [proxies] = await query.Proxy.Proxies.getValue(stash.address);
  assert.equal(proxies[0].delegate, main.address);
  const call = session.transfer(recipient).decodedCall;
  const used = await session.sendWell(tx.Proxy.proxy({ real: id(stash), force_proxy_type: undefined, call }), main);
  assert.ok(session.event(used, 'Proxy', 'ProxyExecuted').result.success);
  assert.equal(session.event(used, 'Balances', 'Transfer').from, stash.address);
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  await session.sendWell(tx.Proxy.remove_proxy(definition), stash);
  assert.equal((await query.Proxy.Proxies.getValue(stash.address))[1], 0n, 'the deposit is given back');
}

async function assets(session) {
  const { tx, query } = session.api;
  const { main, stash } = session;
  const asset = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
  const created = await session.sendWell(tx.Assets.create({ id: asset, admin: id(main), min_balance: 10n }), main);
  assert.equal(session.event(created, 'Assets', 'Created').asset_id, asset);
  const minted = await session.sendWell(tx.Assets.mint({ id: asset, beneficiary: id(main), amount: 1_000_000n }), main);
  session.event(minted, 'Assets', 'Issued');
  const moved = await session.sendWell(tx.Assets.transfer({ id: asset, target: id(stash), amount: 1234n }), main);
  assert.equal(session.event(moved, 'Assets', 'Transferred').amount, 1234n);
  const details = await query.Assets.Asset.getValue(asset);
  assert.equal(details.supply, 1_000_000n);
  assert.equal(details.owner, main.address);
  assert.equal(details.accounts, 2);
  assert.equal((await query.Assets.Account.getValue(asset, main.address)).balance, 1_000_000n - 1234n);
  assert.equal((await query.Assets.Account.getValue(asset, stash.address)).balance, 1234n);
  assert.equal((await query.Assets.Account.getEntries(asset)).length, 2, 'a double map is listed by its first key');
}

async function sudo(session) {
  const { tx, query } = session.api;
  assert.equal(await query.Sudo.Key.getValue(), session.sudo.address);
  const recipient = session.recipient('sudo');
  const inner = tx.Balances.force_set_balance({ who: id(recipient), new_free: session.amount * 7n });
  const outcome = await session.sendWell(tx.Sudo.sudo({ call: inner.decodedCall }), session.sudo);
  assert.ok(session.event(outcome, 'Sudo', 'Sudid').sudo_result.success);
  assert.equal(await session.free(recipient.address), session.amount * 7n);
  const refused = await session.send(tx.Sudo.sudo({ call: inner.decodedCall }), session.main);
  assert.ok(['Sudo.RequireSudo', 'BadOrigin.undefined'].includes(refused.error), refused.error);
}

export const pallets = {
  batch_all: batchAll,
  batch_interrupted: batchInterrupted,
  multisig,
  proxy,
  assets,
  sudo,
};
