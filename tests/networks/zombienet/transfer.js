// A transfer over zombienet's own polkadot.js, sent to one node and seen final there; the answer is what arrived.

const AMOUNT = 5n * 10n ** 12n;

async function run(nodeName, networkInfo) {
  const { wsUri, userDefinedTypes } = networkInfo.nodesByName[nodeName];
  const api = await zombie.connect(wsUri, userDefinedTypes);
  await zombie.util.cryptoWaitReady();
  const keyring = new zombie.Keyring({ type: "sr25519" });
  const receiver = keyring.addFromUri("//zombienet//receiver").address;
  await new Promise((resolve, reject) => {
    api.tx.balances
      .transferKeepAlive(receiver, AMOUNT)
      .signAndSend(keyring.addFromUri("//Alice"), ({ status, dispatchError }) => {
        if (dispatchError) reject(new Error(dispatchError.toString()));
        else if (status.isFinalized) resolve();
      })
      .catch(reject);
  });
  const { data } = await api.query.system.account(receiver);
  await api.disconnect();
  return Number(data.free.toBigInt() / 10n ** 12n);
}

module.exports = { run };
