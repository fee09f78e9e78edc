/// An expression of a template and the line on which it begins.
struct Expression: Sendable {
    let line: Int
    let form: ExpressionForm
}

indirect enum ExpressionForm: Sendable {
    case literal(TemplateValue)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dict([(key: Expression, value: Expression)])
    /// `a.b`
    case attribute(Expression, String)
    /// `a[b]`
    case subscript_(Expression, Expression)
    /// `a[b:c:d]`
    case slice(Expression, SliceBounds)
    case call(Expression, CallArguments)
    case filter(Expression, String, CallArguments)
    case test(Expression, String, CallArguments, isNegated: Bool)
    case negative(Expression)
    case positive(Expression)
    case not(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case binary(BinaryOperator, Expression, Expression)
    /// `a ~ b ~ c`
    case concatenation([Expression])
    /// `a < b <= c`
    case comparison(Expression, [(ComparisonOperator, Expression)])
    /// `a if b else c`
    case conditional(Expression, condition: Expression, otherwise: Expression?)
}

struct SliceBounds: Sendable {
    var start: Expression?
    var stop: Expression?
    var step: Expression?
}

struct CallArguments: Sendable {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
    /// `*a`: its items follow the positional arguments.
    var unpackedItems: Expression?
    /// `**a`: its members follow the named arguments.
    var unpackedMembers: Expression?
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// What can stand on the left of an assignment or after `for`.
indirect enum AssignmentTarget: Sendable {
    case name(String)
    /// `ns.x`
    case member(String, String)
    case tuple([AssignmentTarget])
}

struct Statement: Sendable {
    let line: Int
    let form: StatementForm
}

indirect enum StatementForm: Sendable {
    case text(TemplateText)
    case output(Expression)
    case set(AssignmentTarget, Expression)
    /// `{% set x | filter %}...{% endset %}`
    case setBlock(AssignmentTarget, [FilterCall], [Statement])
    case condition([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(LoopStatement)
    case macro(MacroDefinition)
    /// `{% call(a) f(x) %}...{% endcall %}`
    case callBlock(MacroDefinition, Expression)
    case filterBlock([FilterCall], [Statement])
    case with([(AssignmentTarget, Expression)], [Statement])
    case generation([Statement])
    case breakLoop
    case continueLoop
}

struct FilterCall: Sendable {
    let line: Int
    let name: String
    let arguments: CallArguments
}

struct LoopStatement: Sendable {
    var target: AssignmentTarget
    var source: Expression
    /// `for x in y if condition`
    var condition: Expression?
    /// `loop(x)` inside the body goes through x with the same body.
    var isRecursive = false
    var body: [Statement]
    /// What runs when there was no turn.
    var otherwise: [Statement]
}

struct MacroDefinition: Sendable {
    var name: String
    var parameters: [(name: String, fallback: Expression?)]
    var body: [Statement]
}
