// Scenarios of the pallets that wallets compose transactions with: Utility, Multisig, Proxy, Assets, Sudo.
import assert from 'node:assert/strict';

const WEIGHT = { refTime: 1_000_000_000n, proofSize: 100_000n };

async function batchAll(session) {
  const recipients = [session.recipient('batch//1'), session.recipient('batch//2')];
  const before = await Promise.all(recipients.map(({ address }) => session.free(address)));
  const batch = session.api.tx.utility.batchAll(recipients.map((recipient) => session.transfer(recipient)));
  const outcome = await session.sendWell(batch, session.main);
  assert.equal(outcome.events.filter(({ method }) => method === 'ItemCompleted').length, 2);
  session.event(outcome, 'utility', 'BatchCompleted');
  const after = await Promise.all(recipients.map(({ address }) => session.free(address)));
  after.forEach((free, index) => assert.equal(free - before[index], session.amount));
}

async function batchInterrupted(session) {
  const recipient = session.recipient('interrupted');
  const before = await session.free(recipient.address);
  const calls = [
    session.transfer(recipient),
    session.api.tx.assets.transfer(4_000_000_000, recipient.address, 1),
    session.transfer(recipient),
  ];
  const outcome = await session.sendWell(session.api.tx.utility.batch(calls), session.main);
  const [index, error] = session.event(outcome, 'utility', 'BatchInterrupted');
  assert.equal(index.toNumber(), 1);
  assert.equal(session.errorName(error), 'assets.Unknown');
  assert.equal((await session.free(recipient.address)) - before, session.amount);
}

async function multisig(session) {
  const { crypto } = session.library;
  const signers = [session.main, session.stash, session.edwards];
  const addresses = signers.map(({ address }) => address);
  const raw = crypto.createKeyMulti(addresses, 2);
  const address = crypto.encodeAddress(raw, session.api.registry.chainSS58);
  const others = (signer) => crypto.sortAddresses(addresses.filter((other) => other !== signer.address), session.api.registry.chainSS58);
  await session.sendWell(session.transfer({ address }, 3n * session.amount), session.main);

  const recipient = session.recipient('multisig');
  const before = await session.free(recipient.address);
  const call = session.transfer(recipient);
  const { asMulti } = session.api.tx.multisig;
  const first = await session.sendWell(asMulti(2, others(signers[0]), null, call, WEIGHT), signers[0]);
  const opened = session.event(first, 'multisig', 'NewMultisig');
  assert.equal(opened[1].toString(), address, 'the client computes the address of the multisig account');
  assert.equal(opened[2].toHex(), call.method.hash.toHex());
  const open = (await session.api.query.multisig.multisigs(address, call.method.hash)).unwrap();
  assert.deepEqual(open.approvals.map(String), [signers[0].address]);

  const second = await session.sendWell(asMulti(2, others(signers[1]), open.when, call, WEIGHT), signers[1]);
  const executed = session.event(second, 'multisig', 'MultisigExecuted');
  assert.ok(executed[4].isOk, executed[4].toString());
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  assert.ok((await session.api.query.multisig.multisigs(address, call.method.hash)).isNone);
}

async function proxy(session) {
  const { tx, query } = session.api;
  const recipient = session.recipient('proxy');
  const before = await session.free(recipient.address);
  await session.sendWell(tx.proxy.addProxy(session.main.address, 'Any', 0), session.stash);
  const [[definition]] = await query.proxy.proxies(session.stash.address);
  assert.equal(definition.delegate.toString(), session.main.address);
  const used = await session.sendWell(tx.proxy.proxy(session.stash.address, null, session.transfer(recipient)), session.main);
  const [result] = session.event(used, 'proxy', 'ProxyExecuted');
  assert.ok(result.isOk, result.toString());
  assert.equal(session.event(used, 'balances', 'Transfer')[0].toString(), session.stash.address);
  assert.equal((await session.free(recipient.address)) - before, session.amount);
  await session.sendWell(tx.proxy.removeProxy(session.main.address, 'Any', 0), session.stash);
  assert.ok((await query.proxy.proxies(session.stash.address))[1].isZero(), 'the deposit is given back');
}

async function assets(session) {
  const { tx, query } = session.api;
  const { main, stash } = session;
  const id = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
  const created = await session.sendWell(tx.assets.create(id, main.address, 10), main);
  assert.equal(session.event(created, 'assets', 'Created')[0].toString(), String(id));
  session.event(await session.sendWell(tx.assets.mint(id, main.address, 1_000_000), main), 'assets', 'Issued');
  const moved = await session.sendWell(tx.assets.transfer(id, stash.address, 1234), main);
  assert.equal(session.event(moved, 'assets', 'Transferred')[3].toNumber(), 1234);
  const details = (await query.assets.asset(id)).unwrap();
  assert.equal(details.supply.toNumber(), 1_000_000);
  assert.equal(details.owner.toString(), main.address);
  assert.equal(details.accounts.toNumber(), 2);
  assert.equal((await query.assets.account(id, main.address)).unwrap().balance.toNumber(), 1_000_000 - 1234);
  assert.equal((await query.assets.account(id, stash.address)).unwrap().balance.toNumber(), 1234);
  const holders = await query.assets.account.entries(id);
  assert.equal(holders.length, 2, 'a double map is listed by its first key');
}

async function sudo(session) {
  const { tx, query } = session.api;
  assert.equal((await query.sudo.key()).unwrap().toString(), session.sudo.address);
  const recipient = session.recipient('sudo');
  const call = tx.balances.forceSetBalance(recipient.address, session.amount * 7n);
  const outcome = await session.sendWell(tx.sudo.sudo(call), session.sudo);
  const [result] = session.event(outcome, 'sudo', 'Sudid');
  assert.ok(result.isOk, result.toString());
  assert.equal(await session.free(recipient.address), session.amount * 7n);
  const refused = await session.send(tx.sudo.sudo(call), session.main);
  assert.ok(['sudo.RequireSudo', 'BadOrigin'].includes(refused.error), refused.error);
}

export const pallets = {
  batch_all: batchAll,
  batch_interrupted: batchInterrupted,
  multisig,
  proxy,
  assets,
  sudo,
};
