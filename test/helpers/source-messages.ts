import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'

/*
 * Every message that the source can give a person, read out of the source: so docs/errors.md
 * lists all of them, and none that is no longer there. What varies stands in capitals.
 */

export interface SourceMessage {
  /** Below src/. */
  readonly file: string
  /** `cannot make DIRECTORY: CODE` */
  readonly text: string
  /** What is printed on a second line; several where it hangs on the case. */
  readonly fixes: readonly string[]
  /** Of field-errors.ts: the function that has the words in front. */
  readonly family?: string
  /** 1, 2 or 3; absent: a finding in a file. */
  readonly exitCode?: number
}

/** How each way to tell a mistake is written: which argument has what. */
interface Teller {
  readonly message: number
  readonly fix?: number
  readonly exitCode?: number | ((code: string) => number)
  /** Put around the message. */
  readonly wrap?: (message: string, call: readonly ts.Expression[]) => string
}

const exitCodes = { failed: 1, usage: 2, platform: 3 } as const

const constructors: Readonly<Record<string, Teller>> = {
  Failure: {
    message: 1,
    fix: 2,
    exitCode: kind => exitCodes[kind as keyof typeof exitCodes] ?? 1,
  },
  MountError: {
    message: 2,
    fix: 3,
    exitCode: code => (code === 'MOUNT_BUSY' ? 1 : 3),
    wrap: (message, [, path]) =>
      path !== undefined && ts.isStringLiteral(path)
        ? message
        : `${message}: PATH`,
  },
  SourceError: {
    message: 2,
    fix: 3,
    exitCode: 2,
    wrap: message => `PATH: ${message}`,
  },
  TokenError: { message: 2, exitCode: 1 },
  RunnerError: {
    message: 1,
    exitCode: code => (code === 'IMAGE_FLAG_INVALID' ? 2 : 1),
  },
  YamlError: { message: 1, fix: 2 },
  YamlSyntaxError: {
    message: 1,
    fix: 2,
    wrap: problem => `not YAML: ${problem}`,
  },
  DecryptionError: { message: 1, fix: 2 },
}

const functions: Readonly<Record<string, Teller>> = {
  configError: { message: 0 },
  createError: { message: 0 },
  noSuch: { message: 0, exitCode: 2 },
  refuse: { message: 1 },
  rejection: { message: 1, fix: 2 },
  rejectionOf: { message: 2 },
  warn: { message: 1 },
}

/** Where a name means something else. */
const inFile: Readonly<Record<string, Readonly<Record<string, Teller>>>> = {
  'session/machine/checks.ts': {
    missing: { message: 1, fix: 2, exitCode: 3 },
    warning: { message: 1, fix: 2 },
  },
  'sources/keys/directory-keys.ts': { leaveOut: { message: 1 } },
  'sources/keys/directory-source.ts': { fileFinding: { message: 2 } },
  'sources/keys/key-file.ts': { fileFinding: { message: 2 } },
}

const methods: Readonly<Record<string, Teller>> = {
  reject: { message: 1, fix: 2 },
  refuse: { message: 1, fix: 2 },
  refuseInvalid: { message: 1, fix: 2 },
}

/** The functions of field-errors.ts, by the argument that has the details. */
const families: Readonly<Record<string, number | undefined>> = {
  required: 0,
  invalid: 1,
  duplicate: undefined,
  forbidden: 0,
  notFound: 1,
  tooLong: undefined,
  tooMany: undefined,
  unsupported: undefined,
}

export function familyNames(): string[] {
  return Object.keys(families)
}

/** In the order of the source; each text once for each family. */
export function sourceMessages(): SourceMessage[] {
  const files = readdirSync('src', { recursive: true })
    .map(String)
    .filter(file => file.endsWith('.ts'))
    .sort()
  const all = files.flatMap(messagesOf)
  return all.filter(
    (one, i) =>
      all.findIndex(
        ({ text, family }) => text === one.text && family === one.family,
      ) === i,
  )
}

function messagesOf(file: string): SourceMessage[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(`src/${file}`, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  )
  const found: SourceMessage[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
      const teller = tellerOf(node, file)
      if (teller !== undefined)
        found.push(...told(file, teller, [...(node.arguments ?? [])]))
    }
    if (ts.isObjectLiteralExpression(node)) found.push(...literal(file, node))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function tellerOf(
  node: ts.NewExpression | ts.CallExpression,
  file: string,
): Teller | undefined {
  const { expression } = node
  const name = ts.isPropertyAccessExpression(expression)
    ? expression.name.text
    : expression.getText()
  const special = inFile[file]?.[name]
  if (special !== undefined) return special
  if (ts.isNewExpression(node))
    return ts.isIdentifier(expression)
      ? constructors[expression.text]
      : undefined
  if (ts.isIdentifier(expression)) return functions[expression.text]
  if (!ts.isPropertyAccessExpression(expression)) return undefined
  if (name !== 'add') return methods[name]
  const [treatment] = node.arguments
  const isMistake =
    treatment !== undefined &&
    ts.isStringLiteral(treatment) &&
    ['warning', 'rejected'].includes(treatment.text)
  return isMistake ? { message: 2, fix: 3 } : undefined
}

function told(
  file: string,
  { message, fix, exitCode, wrap = text => text }: Teller,
  args: readonly ts.Expression[],
): SourceMessage[] {
  const given = args[message]
  if (given === undefined) return []
  const fixes = fix === undefined ? [] : fixesOf(args[fix])
  const [code] = args
  const exit =
    typeof exitCode === 'function'
      ? exitCode(
          code !== undefined && ts.isStringLiteral(code) ? code.text : '',
        )
      : exitCode
  return textsOf(given).map(({ text, family }) => ({
    file,
    text: wrap(text, args),
    fixes,
    ...(family === undefined ? {} : { family }),
    ...(exit === undefined ? {} : { exitCode: exit }),
  }))
}

/** A Finding that is written out: `{ treatment: 'rejected', position, message: ... }`. */
function literal(
  file: string,
  node: ts.ObjectLiteralExpression,
): SourceMessage[] {
  const value = (name: string): ts.Expression | undefined =>
    node.properties
      .filter(ts.isPropertyAssignment)
      .find(property => property.name.getText() === name)?.initializer
  const mistake = value('mistake')
  if (mistake !== undefined)
    return told(file, { message: 0, exitCode: 2 }, [mistake])
  const message = value('message')
  const treatment = value('treatment')
  const isImmutable = file === 'store/immutable.ts'
  if (message === undefined) return []
  if (treatment === undefined && !isImmutable) return []
  return told(
    file,
    { message: 0, fix: 1 },
    [message, value('fix')].filter(each => each !== undefined),
  )
}

interface Text {
  readonly text: string
  readonly family?: string
}

/** What an expression can be; nothing where it only hands on the words of somebody else. */
function textsOf(node: ts.Expression): Text[] {
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression)
  if (ts.isStringLiteralLike(node))
    return node.text === '' ? [] : [{ text: node.text }]
  if (ts.isTemplateExpression(node)) {
    const text = templateText(node)
    return /[a-z]{2}/.test(text) ? [{ text }] : []
  }
  if (ts.isConditionalExpression(node))
    return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)]
  if (ts.isBinaryExpression(node)) {
    if (node.operatorToken.kind !== ts.SyntaxKind.PlusToken)
      return [...textsOf(node.left), ...textsOf(node.right)]
    const [left] = textsOf(node.left)
    const [right] = textsOf(node.right)
    return left && right ? [{ text: left.text + right.text }] : []
  }
  if (ts.isIdentifier(node)) {
    const initializer = constantOf(node)
    return initializer === undefined ? [] : textsOf(initializer)
  }
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    const name = node.expression.text
    if (name === 'wrongType') return [{ text: 'must be TYPE, not TYPE' }]
    if (name === 'mountFailure')
      return [{ text: 'MountVolume.SetUp failed for volume "NAME" : MESSAGE' }]
    if (!Object.hasOwn(families, name)) return []
    const at = families[name]
    const detail = at === undefined ? undefined : node.arguments[at]
    const details = detail === undefined ? [] : textsOf(detail)
    return (details.length === 0 ? [{ text: '' }] : details).map(
      ({ text }) => ({ text, family: name }),
    )
  }
  return []
}

/** A `const` of the function, or of the file. */
function constantOf(name: ts.Identifier): ts.Expression | undefined {
  for (
    let scope: ts.Node | undefined = name.parent;
    scope !== undefined;
    scope = scope.parent
  ) {
    if (!ts.isBlock(scope) && !ts.isSourceFile(scope)) continue
    for (const statement of scope.statements)
      if (ts.isVariableStatement(statement))
        for (const declaration of statement.declarationList.declarations)
          if (declaration.name.getText() === name.text)
            return declaration.initializer
  }
  return undefined
}

/** `{ fix: ... }` of the options, or the fix itself. */
function fixesOf(node: ts.Expression | undefined): string[] {
  if (node === undefined) return []
  const found: string[] = []
  const visit = (part: ts.Node): void => {
    if (ts.isPropertyAssignment(part)) {
      if (part.name.getText() === 'fix')
        found.push(...textsOf(part.initializer).map(({ text }) => text))
    } else ts.forEachChild(part, visit)
  }
  if (ts.isObjectLiteralExpression(node)) visit(node)
  else if (ts.isConditionalExpression(node))
    return [...fixesOf(node.whenTrue), ...fixesOf(node.whenFalse)]
  else if (!ts.isIdentifier(node) || node.text !== 'undefined')
    found.push(...textsOf(node).map(({ text }) => text))
  return [...new Set(found)]
}

function templateText(node: ts.TemplateExpression): string {
  const spans = node.templateSpans.map(
    ({ expression, literal }) => placeholder(expression) + literal.text,
  )
  return node.head.text + spans.join('')
}

/** What stands for a value: its name, in capitals. */
function placeholder(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return capitals(node.text)
  if (ts.isPropertyAccessExpression(node))
    return node.name.text === 'length' || node.name.text === 'message'
      ? placeholder(node.expression)
      : capitals(node.name.text)
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isConditionalExpression(node)) return placeholder(node.whenFalse)
  if (
    ts.isCallExpression(node) &&
    node.expression.getText() === 'shellWord' &&
    node.arguments[0] !== undefined
  )
    return placeholder(node.arguments[0])
  if (ts.isCallExpression(node)) {
    const quoted = ['JSON.stringify', 'goQuote'].includes(
      node.expression.getText(),
    )
    const [argument] = node.arguments
    if (quoted && argument !== undefined) return `"${placeholder(argument)}"`
    if (ts.isPropertyAccessExpression(node.expression))
      return placeholder(node.expression.expression)
  }
  if (ts.isTemplateExpression(node)) return templateText(node)
  return '...'
}

function capitals(name: string): string {
  const words = name.replace('#', '').replaceAll(/([a-z])([A-Z])/g, '$1 $2')
  return words.toUpperCase().replaceAll(' ', '-')
}
