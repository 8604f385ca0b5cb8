// One connection with its accounts, and the sending of transactions that every scenario needs.
import assert from 'node:assert/strict';

export class Session {
  constructor(library, { endpoint, account }) {
    this.library = library;
    this.endpoint = endpoint;
    this.account = account;
    this.api = null;
  }

  async open() {
    const provider = new this.library.WsProvider(this.endpoint, false);
    await provider.connect();
    return this.library.ApiPromise.create({ provider, throwOnConnect: true });
  }

  async connect() {
    if (this.api) return;
    await this.library.crypto.cryptoWaitReady();
    this.api = await this.open();
    const sr25519 = new this.library.Keyring({ type: 'sr25519', ss58Format: this.api.registry.chainSS58 });
    const ed25519 = new this.library.Keyring({ type: 'ed25519', ss58Format: this.api.registry.chainSS58 });
    this.keys = { sr25519, ed25519 };
    this.main = sr25519.createFromUri(`//${this.account}`);
    this.stash = sr25519.createFromUri(`//${this.account}//stash`);
    this.edwards = ed25519.createFromUri(`//${this.account}`);
    this.sudo = sr25519.createFromUri('//Alice');
    this.depositMinimum = this.api.consts.balances.existentialDeposit.toBigInt();
    this.amount = this.depositMinimum * 1000n;
  }

  // An account that only the named scenario of this client uses.
  recipient(scenario) {
    return this.keys.sr25519.createFromUri(`//wallet//${this.account}//${scenario}`);
  }

  async free(address, at = this.api) {
    return (await at.query.system.account(address)).data.free.toBigInt();
  }

  transfer(recipient, amount = this.amount) {
    return this.api.tx.balances.transferKeepAlive(recipient.address, amount);
  }

  // Sends and waits for finality; resolves with the notices seen and the decoded events of the inclusion. The library
  // keeps the inBlock notice to itself when it is still fetching events while finality comes: `inBlock` may be null.
  send(transaction, signer, options = {}) {
    return new Promise((resolve, reject) => {
      const outcome = { inBlock: null, events: [], error: null };
      const onResult = (result) => {
        if (result.isError) reject(new Error(`transaction ended as ${result.status.type}`));
        if (result.status.isInBlock) outcome.inBlock = result.status.asInBlock.toHex();
        if (result.status.isFinalized) {
          outcome.finalized = result.status.asFinalized.toHex();
          outcome.events = result.events.map(({ event }) => event);
          outcome.error = result.dispatchError ? this.errorName(result.dispatchError) : null;
          outcome.hash = result.txHash.toHex();
          outcome.index = result.txIndex;
          resolve(outcome);
        }
      };
      transaction.signAndSend(signer, options, onResult).catch(reject);
    });
  }

  async sendWell(transaction, signer, options = {}) {
    const outcome = await this.send(transaction, signer, options);
    assert.equal(outcome.error, null, `dispatch failed: ${outcome.error}`);
    assert.equal(outcome.inBlock ?? outcome.finalized, outcome.finalized, 'inBlock and finalized name the same block');
    return outcome;
  }

  errorName(dispatchError) {
    if (dispatchError.isModule) {
      const { section, name } = this.api.registry.findMetaError(dispatchError.asModule);
      return `${section}.${name}`;
    }
    const inner = dispatchError.value?.type;
    return inner ? `${dispatchError.type}.${inner}` : dispatchError.type;
  }

  // The single event of that name among the events of a transaction.
  event(outcome, section, method) {
    const found = outcome.events.filter((event) => event.section === section && event.method === method);
    const seen = outcome.events.map((event) => `${event.section}.${event.method}`).join(' ');
    assert.equal(found.length, 1, `one ${section}.${method} expected among: ${seen}`);
    return found[0].data;
  }

  // The transaction as it stands in its block.
  async included(outcome) {
    const { block } = await this.api.rpc.chain.getBlock(outcome.finalized);
    return block.extrinsics[outcome.index];
  }
}
