// An oracle for SCALE: encodes and decodes values of generated types with the types of polkadot.js.
//
// Standard input: JSON lines {type, value} or {type, hex}. Standard output: one JSON line each, the hex of the value,
// or the hex of what the bytes decode to, or null when they are refused.
import { createInterface } from 'node:readline';

import { TypeRegistry } from '@polkadot/types';
import { hexToU8a, u8aToHex } from '@polkadot/util';

const registry = new TypeRegistry();
const names = new Map();

function register(type, definition) {
  const key = JSON.stringify(type);
  if (!names.has(key)) {
    names.set(key, `Generated${names.size}`);
    registry.register({ [names.get(key)]: definition() });
  }
  return names.get(key);
}

function nameOf(type) {
  const [kind, ...rest] = type;
  switch (kind) {
    case 'text':
      return 'Text';
    case 'bytes':
      return 'Bytes';
    case 'fixed':
      return `[u8;${rest[0]}]`;
    case 'compact':
      return `Compact<${rest[0]}>`;
    case 'option':
      return `Option<${nameOf(rest[0])}>`;
    case 'vec':
      return `Vec<${nameOf(rest[0])}>`;
    case 'array':
      return `[${nameOf(rest[0])};${rest[1]}]`;
    case 'tuple':
      return `(${rest[0].map(nameOf).join(',')})`;
    case 'struct':
      return register(type, () => Object.fromEntries(rest[0].map((field, index) => [`field${index}`, nameOf(field)])));
    case 'enum':
      return register(type, () => ({
        _enum: Object.fromEntries(rest[0].map((item, index) => [`Variant${index}`, item ? nameOf(item) : 'Null'])),
      }));
    default:
      return kind;
  }
}

function build(type, value) {
  const [kind, ...rest] = type;
  const name = nameOf(type);
  switch (kind) {
    case 'option':
      return registry.createType(name, value === null ? null : build(rest[0], value));
    case 'vec':
    case 'array':
      return registry.createType(name, value.map((item) => build(rest[0], item)));
    case 'tuple':
      return registry.createType(name, value.map((item, index) => build(rest[0][index], item)));
    case 'struct':
      return registry.createType(
        name,
        Object.fromEntries(value.map((item, index) => [`field${index}`, build(rest[0][index], item)])),
      );
    case 'enum': {
      const [index, item] = value;
      return registry.createType(name, { [`Variant${index}`]: rest[0][index] ? build(rest[0][index], item) : null });
    }
    default:
      return registry.createType(name, value);
  }
}

function answer({ type, value, hex }) {
  if (hex === undefined) return u8aToHex(build(type, value).toU8a());
  try {
    return u8aToHex(registry.createType(nameOf(type), hexToU8a(hex)).toU8a());
  } catch {
    return null;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`);
}
