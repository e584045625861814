import t from 'tap'
import {
  AnswerReader,
  type Answer,
  type NoAnswer,
} from '../../src/runner/lifecycle/http-answer.ts'

/* What an answer means, wherever it is cut; real servers are in http-probe.test.ts. */

type Result = Answer | NoAnswer

const answer = (status: number, body = '', location?: string): Answer => ({
  status,
  location,
  body,
})

const broken = (why: string): NoAnswer => ({
  error: `net/http: HTTP/1.x transport connection broken: ${why}`,
  isBody: false,
})

const brokenBody: NoAnswer = { error: 'unexpected EOF', isBody: true }

/** What comes of it in these pieces; `undefined`: nothing before the end of the connection. */
function read(pieces: readonly Buffer[]): Result | undefined {
  const reader = new AnswerReader()
  for (const piece of pieces) {
    const result = reader.add(piece)
    if (result !== undefined) return result
  }
  return undefined
}

function atTheEnd(pieces: readonly Buffer[]): Result {
  const reader = new AnswerReader()
  for (const piece of pieces) reader.add(piece)
  return reader.end()
}

const bytesOf = (text: Buffer): Buffer[] =>
  Array.from(text, byte => Buffer.from([byte]))

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`

t.test('an answer that tells where it ends, cut anywhere', async t => {
  const rows: readonly (readonly [what: string, text: string, Result])[] = [
    ['a length', `${ok}Content-Length: 4\r\n\r\nwell`, answer(200, 'well')],
    ['and more', `${ok}Content-Length: 4\r\n\r\nwell, `, answer(200, 'well')],
    ['none of it', `${ok}content-length: 0\r\n\r\n`, answer(200)],
    [
      'the same length twice',
      `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
      answer(200, 'x'),
    ],
    ['lines of LF', 'HTTP/1.1 404\nContent-Length:1\n\nx', answer(404, 'x')],
    [
      'version 1.0',
      'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx',
      answer(200, 'x'),
    ],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', answer(204)],
    ['304', 'HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n', answer(304)],
    ['101', 'HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n', answer(101)],
    [
      'interim answers',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLocation: /no\r\nContent-Length: 7\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`,
      answer(200, 'x'),
    ],
    [
      'chunks',
      `${chunked}5;a="b"\r\nhello\r\n00a \r\n0123456789\r\n0\r\nX: y\r\n\r\n`,
      answer(200, 'hello0123456789'),
    ],
    [
      'chunks before a length',
      `${ok}Content-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
      answer(200, 'ab'),
    ],
    [
      'a Location twice',
      'HTTP/1.1 302 x\r\nlocation: /a \r\nLOCATION: /b\r\nContent-Length: 0\r\n\r\n',
      answer(302, '', '/a'),
    ],
    [
      'a folded one',
      'HTTP/1.1 302 x\r\nX: y\r\nLocation:\r\n\t /a\r\n ?b\r\nContent-Length: 0\r\n\r\n',
      answer(302, '', '/a ?b'),
    ],
    [
      'UTF-8',
      'HTTP/1.1 302 x\r\nLocation: /ü\r\nContent-Length: 3\r\n\r\n€',
      answer(302, '€', '/ü'),
    ],
    [
      'a name with a space is another name',
      `${ok}Content-Length : 7\r\nContent-Length: 1\r\n\r\nx`,
      answer(200, 'x'),
    ],
    ['no version', 'what?\n', broken('malformed HTTP response "what?"')],
    ['empty', '\r\n', broken('malformed HTTP response ""')],
    [
      'another protocol',
      'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n',
      broken('malformed HTTP status code "Debian-2"'),
    ],
    [
      'another version',
      'HTTPS/1.1 200 OK\r\n',
      broken('malformed HTTP version "HTTPS/1.1"'),
    ],
    [
      'status',
      'HTTP/1.1 2000 OK\r\n',
      broken('malformed HTTP status code "2000"'),
    ],
    [
      'no header',
      `${ok}what?\r\n\r\n`,
      broken('malformed MIME header line: what?'),
    ],
    ['no name', `${ok}: x\r\n\r\n`, broken('malformed MIME header line: : x')],
    [
      'a control character',
      `${ok}A: \x01\r\n\r\n`,
      broken('malformed MIME header line: A: \x01'),
    ],
    [
      'nothing to go on with',
      `${ok} x: y\r\n\r\n`,
      broken('malformed MIME header initial line:  x: y'),
    ],
    [
      'lengths',
      `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      broken(
        'http: message cannot contain multiple Content-Length headers; got ["1" "2"]',
      ),
    ],
    [
      'no number',
      `${ok}Content-Length: -1\r\n\r\n`,
      broken('bad Content-Length "-1"'),
    ],
    [
      'encoding',
      `${ok}Transfer-Encoding: gzip\r\n\r\n`,
      broken('unsupported transfer encoding: "gzip"'),
    ],
    [
      'encodings',
      `${ok}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`,
      broken('too many transfer encodings: ["gzip" "chunked"]'),
    ],
    ['no chunk', `${chunked}x\r\n`, brokenBody],
    ['a chunk that is longer', `${chunked}1\r\nxy\r\n`, brokenBody],
  ]
  for (const [what, text, expected] of rows) {
    const all = Buffer.from(text)
    t.same(read([all]), expected, what)
    t.same(read(bytesOf(all)), expected, `${what}, byte by byte`)
    t.same(atTheEnd([all, all]), expected, `${what}, and once more`)
    for (let at = 1; at < all.length; at++) {
      const cut = read([all.subarray(0, at), all.subarray(at)])
      if (JSON.stringify(cut) !== JSON.stringify(expected))
        t.same(cut, expected, `${what}, cut at ${at}`)
    }
  }
})

t.test('an answer that ends with its connection', async t => {
  const begun = new AnswerReader()
  const rows: readonly (readonly [what: string, text: string, Result])[] = [
    ['no length', `${ok}\r\nwell`, answer(200, 'well')],
    ['no body', `${ok}\r\n`, answer(200)],
    [
      'version 1.0 knows no chunks',
      'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n',
      answer(200, '1\r\n'),
    ],
    ['nothing', '', { error: 'EOF', isBody: false }],
    ['in the first line', 'HTTP/1.1', broken('unexpected EOF')],
    ['in the headers', `${ok}A: b\r\n`, broken('unexpected EOF')],
    [
      'after an interim one',
      'HTTP/1.1 100 Continue\r\n\r\n',
      broken('unexpected EOF'),
    ],
    ['in the body', `${ok}Content-Length: 2\r\n\r\nx`, brokenBody],
    ['before a chunk', chunked, brokenBody],
    ['in a chunk', `${chunked}2\r\nx`, brokenBody],
    ['before the last chunk', `${chunked}1\r\nx\r\n`, brokenBody],
    ['in the trailer', `${chunked}0\r\nA: b\r\n`, brokenBody],
  ]
  for (const [what, text, expected] of rows) {
    const all = Buffer.from(text)
    t.equal(read([all]), undefined, `${what}: not before`)
    t.same(atTheEnd([all]), expected, what)
    t.same(atTheEnd(bytesOf(all)), expected, `${what}, byte by byte`)
  }
  begun.add(Buffer.from(ok))
  t.equal(begun.hasBegun, false)
  begun.add(Buffer.from('\r\n'))
  t.equal(begun.hasBegun, true)
})

t.test('a server that never ends', async t => {
  /** The result, and how much was taken until then. */
  const flood = (
    start: string,
    more: string,
  ): { result: Result | undefined; kib: number } => {
    const reader = new AnswerReader()
    let result = reader.add(Buffer.from(start))
    const piece = Buffer.from(more)
    let taken = start.length
    for (; result === undefined && taken < 2 ** 24; taken += piece.length)
      result = reader.add(piece)
    return { result, kib: Math.ceil(taken / 1024) }
  }
  const exceeded = {
    error: 'net/http: server response headers exceeded 262144 bytes; aborted',
    isBody: false,
  }
  const line = `A: ${'x'.repeat(1000)}\r\n`
  t.same(flood('', 'x'.repeat(1000)), { result: exceeded, kib: 257 })
  t.same(flood(ok, line), { result: exceeded, kib: 257 })
  t.same(flood(ok, 'x'.repeat(1000)), { result: exceeded, kib: 257 })
  t.same(flood(`${ok}A: b\r\n`, ` ${line}`), { result: exceeded, kib: 257 })
  t.match(
    flood('', `HTTP/1.1 100 Continue\r\n${line}\r\n`),
    { result: exceeded },
    'interim answers',
  )
  t.same(flood(`${chunked}0\r\n`, line), { result: brokenBody, kib: 257 })
  t.same(flood(chunked, '1'.repeat(1000)), { result: brokenBody, kib: 5 })
  t.same(flood(`${chunked}1;`, 'x'.repeat(1000)), {
    result: brokenBody,
    kib: 5,
  })
  const body = answer(200, 'x'.repeat(10 * 1024))
  t.same(flood(`${ok}\r\n`, 'x'.repeat(1000)), { result: body, kib: 11 })
  t.match(flood(chunked, '1\r\nx\r\n'), { result: body })
  t.match(flood(`${ok}Content-Length: 99999999\r\n\r\n`, 'x'), { result: body })
})
