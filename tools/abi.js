// Writes src/engine/abi.ts: the types of the kernels, read from their AssemblyScript signatures by the compiler itself.
// `npm run build` runs it; `node tools/abi.js --check` fails if the file is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ElementKind } from 'assemblyscript';
import asc from 'assemblyscript/asc';

const FILE = 'src/engine/abi.ts';
const ENTRY = 'assembly/index.ts';

/** The TypeScript type for a parameter of an AssemblyScript type. */
const KINDS = {
  ...{ i32: 'Integer', u32: 'Integer', usize: 'Integer', isize: 'Integer' },
  ...{ f32: 'Float', f64: 'Float', i64: 'bigint', u64: 'bigint', bool: 'boolean', void: 'void' },
};

/** The text of the file. @throws Error if the kernels do not compile, or a type has no counterpart. */
export async function abiText() {
  let text;
  class ReadSignatures {
    afterInitialize(program) {
      text = render(signatures(program));
    }
  }
  const options = ['--target', 'strict', '--noEmit', '--optimizeLevel', '0'];
  const { error } = await asc.main(['--config', 'asconfig.json', ...options], {
    stderr: process.stderr,
    transforms: [ReadSignatures],
  });
  if (error) throw error;
  return text;
}

export async function writeAbi() {
  const text = await abiText();
  // Not rewritten if it is up to date, so that nothing that depends on it is rebuilt.
  if (current() !== text) writeFileSync(FILE, text);
}

function current() {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return undefined;
  }
}

/** The functions that the entry exports, by name, with their resolved types. */
function signatures(program) {
  const entry = [...program.filesByName.values()].find(
    (file) => file.source.normalizedPath === ENTRY,
  );
  return [...exportedNames(entry)].sort().flatMap((name) => {
    const element = entry.lookupExport(name);
    if (element.kind !== ElementKind.FunctionPrototype) return [];
    const { signature } = program.resolver.resolveFunction(element, null);
    const names = element.functionTypeNode.parameters.map((parameter) => parameter.name.text);
    const parameters = names.map((parameter, i) => [parameter, signature.parameterTypes[i]]);
    return [{ name, parameters, result: signature.returnType }];
  });
}

function exportedNames({ exports, exportsStar }) {
  const names = new Set(exports?.keys());
  for (const file of exportsStar ?? []) for (const name of exportedNames(file)) names.add(name);
  return names;
}

function kindOf(type) {
  if (type.classReference) return 'Pointer';
  const kind = KINDS[type.toString()];
  if (!kind) throw new Error(`${FILE}: ${type} has no counterpart in TypeScript`);
  return kind;
}

/** The structures that the host writes: classes of i32 fields behind pointer parameters. */
function layouts(functions) {
  const classes = new Map();
  for (const { parameters } of functions)
    for (const [, { classReference }] of parameters) {
      const fields = [...(classReference?.members?.values() ?? [])].filter(
        ({ kind }) => kind === ElementKind.PropertyPrototype,
      );
      if (fields.length > 0) classes.set(classReference.name, fields.map(fieldName));
    }
  return [...classes].sort(([a], [b]) => (a < b ? -1 : 1));
}

function fieldName({ name, instance, fieldDeclaration }) {
  if (!fieldDeclaration || instance?.type.toString() !== 'i32')
    throw new Error(`${FILE}: ${name} is not a field of 32 bits`);
  return name;
}

const isRange = ({ parameters }) =>
  parameters
    .slice(-2)
    .map(([name]) => name)
    .join() === 'begin,end';

function method({ name, parameters, result }) {
  const list = parameters.map(([parameter, type]) => `${parameter}: ${kindOf(type)}`);
  const line = `  ${name}(${list.join(', ')}): ${kindOf(result)};`;
  if (line.length <= 100) return line;
  return [`  ${name}(`, ...list.map((p) => `    ${p},`), `  ): ${kindOf(result)};`].join('\n');
}

function layout([name, fields]) {
  const list = fields.map((field) => `  '${field}',`);
  return `/** Words of a \`${name}\`, in order. */
export const ${name.toUpperCase()}_WORDS = [
${list.join('\n')}
] as const;
`;
}

function render(functions) {
  const kernels = functions.filter(isRange);
  const others = functions.filter((f) => !isRange(f));
  return `// Written by tools/abi.js from the signatures in assembly/: do not edit.
import type { Float, Integer, Pointer } from './pointer.js';

/** Computes the items [begin, end) of its range. */
export interface Kernels {
${kernels.map(method).join('\n')}
}

/** The module's other exports. */
export interface Routines {
${others.map(method).join('\n')}
}

${layouts(functions).map(layout).join('\n')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv.includes('--check')) await writeAbi();
  else if (current() !== (await abiText())) {
    console.error(`${FILE} does not match the kernels' signatures: run npm run build`);
    process.exitCode = 1;
  }
}
