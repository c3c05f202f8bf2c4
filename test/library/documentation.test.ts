import { fileURLToPath } from 'node:url';
import test from 'ava';
import ts from 'typescript';

/* What an editor shows of the options: each has its meaning, its default where it may be left out, and an example. */

const INDEX = fileURLToPath(new URL('../../../src/index.ts', import.meta.url));

/** The settings of what the library exports. */
const SETTINGS = [
  ...['RunOptions', 'TrainOptions', 'SampleSettings', 'GenerateSettings', 'EvaluateSettings'],
  ...['LoadSettings', 'ModelSampleSettings', 'ModelStepsSettings', 'DrawWithSettings'],
  ...['ScheduleOptions', 'AutoencoderSettings'],
];

interface Option {
  readonly of: string;
  readonly name: string;
  readonly required: boolean;
  readonly doc: string;
}

function optionsOf(): Option[] {
  const program = ts.createProgram([INDEX], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(INDEX)!)!;
  const exported = new Map(
    checker.getExportsOfModule(index).map((symbol) => [symbol.name, symbol]),
  );
  return SETTINGS.flatMap((of) => {
    const type = checker.getDeclaredTypeOfSymbol(checker.getAliasedSymbol(exported.get(of)!));
    return type.getProperties().map((property) => ({
      of,
      name: property.name,
      required: (property.flags & ts.SymbolFlags.Optional) === 0,
      doc: ts.displayPartsToString(property.getDocumentationComment(checker)),
    }));
  });
}

test('the documentation of every option has its meaning, default and an example', (t) => {
  const options = optionsOf();
  t.true(options.length > 200, `${options.length} options`);
  for (const { of, name, required, doc } of options) {
    const which = `${of}.${name}: ${doc}`;
    t.true(doc.length > 20, which);
    t.true(doc.includes(`E.g. \`${name}: `), `${which}: an example`);
    if (!required) t.regex(doc, /\b[Dd]efault/, `${which}: its default`);
  }
});
