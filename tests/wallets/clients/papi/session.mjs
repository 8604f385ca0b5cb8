// One connection with its accounts, and the sending of transactions that every scenario needs.
import assert from 'node:assert/strict';

import { ed25519CreateDerive, sr25519CreateDerive } from '@polkadot-labs/hdkd';
import { DEV_MINI_SECRET, ss58Address } from '@polkadot-labs/hdkd-helpers';
import { Enum } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { createWsClient } from 'polkadot-api/ws';
import { WebSocket } from 'ws';

const derive = { Sr25519: sr25519CreateDerive(DEV_MINI_SECRET), Ed25519: ed25519CreateDerive(DEV_MINI_SECRET) };

function account(path, scheme = 'Sr25519') {
  const pair = derive[scheme](path);
  const signer = getPolkadotSigner(pair.publicKey, scheme, pair.sign);
  return { address: ss58Address(pair.publicKey, 42), publicKey: pair.publicKey, signer };
}

export class Session {
  constructor({ endpoint, account: name }) {
    this.endpoint = endpoint;
    this.name = name;
    this.client = null;
  }

  open() {
    // Node.js brings a WebSocket of its own from version 22 on.
    return createWsClient(this.endpoint, { websocketClass: WebSocket });
  }

  async connect() {
    if (this.client) return;
    const client = this.open();
    this.api = client.getUnsafeApi();
    this.depositMinimum = await this.api.constants.Balances.ExistentialDeposit();
    this.amount = this.depositMinimum * 1000n;
    this.main = account(`//${this.name}`);
    this.stash = account(`//${this.name}//stash`);
    this.edwards = account(`//${this.name}`, 'Ed25519');
    this.sudo = account('//Alice');
    this.client = client;
  }

  // An account that only the named scenario of this client uses.
  recipient(scenario) {
    return account(`//wallet//${this.name}//${scenario}`);
  }

  request(method, ...parameters) {
    return this.client._request(method, parameters);
  }

  async free(address, at = 'best') {
    return (await this.api.query.System.Account.getValue(address, { at })).data.free;
  }

  transfer(recipient, value = this.amount) {
    return this.api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', recipient.address), value });
  }

  // Sends and waits for finality; resolves with the notices seen and the decoded events of the inclusion.
  send(transaction, signer, options = {}) {
    return new Promise((resolve, reject) => {
      const outcome = { seen: [], inBlock: null };
      transaction.signSubmitAndWatch(signer.signer, options).subscribe({
        next: (notice) => {
          outcome.seen.push(notice.type);
          if (notice.type === 'txBestBlocksState' && notice.found) outcome.inBlock = notice.block.hash;
          if (notice.type !== 'finalized') return;
          outcome.finalized = notice.block.hash;
          outcome.index = notice.block.index;
          outcome.hash = notice.txHash;
          outcome.events = notice.events;
          outcome.error = notice.ok ? null : this.errorName(notice.dispatchError);
          resolve(outcome);
        },
        error: reject,
      });
    });
  }

  async sendWell(transaction, signer, options = {}) {
    const outcome = await this.send(transaction, signer, options);
    assert.equal(outcome.error, null, `dispatch failed: ${outcome.error}`);
    assert.deepEqual(outcome.seen.slice(0, 2), ['signed', 'broadcasted']);
    assert.equal(outcome.inBlock, outcome.finalized, 'the best and the final block are the same');
    return outcome;
  }

  errorName(error) {
    return error.type === 'Module' ? `${error.value.type}.${error.value.value.type}` : `${error.type}.${error.value?.type}`;
  }

  // The single event of that name among the events of a transaction.
  event(outcome, pallet, name) {
    const found = outcome.events.filter(({ type, value }) => type === pallet && value.type === name);
    const seen = outcome.events.map(({ type, value }) => `${type}.${value.type}`).join(' ');
    assert.equal(found.length, 1, `one ${pallet}.${name} expected among: ${seen}`);
    return found[0].value.value;
  }

  async included(outcome) {
    return (await this.client.getBlockBody(outcome.finalized))[outcome.index];
  }
}
