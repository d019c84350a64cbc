# What each role may do: what Lambda needs to run the function, and what its manifest names. modules/function writes
# nothing else into the role.

locals {
  statements = {
    for key, function in local.functions : key => concat(
      local.statements_to_run[key],
      local.statements_on_tables[key],
      local.statements_on_models[key],
      local.statements_on_secrets[key],
      local.statements_named[key],
      local.statements_on_streams[key],
      local.statements_on_keys[key],
    )
  }

  statements_to_run = {
    for key, name in local.function_names : key => [
      {
        Sid      = "Logs"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${name}:*"]
      },
      {
        # X-Ray knows no resources: AWS allows nothing but "*" here.
        Sid      = "Traces"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = ["*"]
      },
    ]
  }

  # A list of actions is the whole table's; an object gives each action the partitions that it may meet. An index is a
  # resource of its own: a grant on it is written "table/index". What nobody describes, checks.tf names.
  statements_on_tables = {
    for key, function in local.functions : key => concat(
      [
        for target, actions in try(function.tables, {}) : {
          Sid      = local.table_sids[target]
          Action   = [for action in sort(actions) : "dynamodb:${action}"]
          Resource = [lookup(local.table_arns, target, "")]
        } if !can(keys(actions))
      ],
      flatten([
        for target, actions in try(function.tables, {}) : [
          for action, partitions in actions : {
            Sid        = "${local.table_sids[target]}${action}"
            Action     = ["dynamodb:${action}"]
            Resource   = [lookup(local.table_arns, target, "")]
            Partitions = partitions
          }
        ] if can(keys(actions))
      ]),
    )
  }

  table_sids = {
    for target in distinct(flatten([for function in values(local.functions) : keys(try(function.tables, {}))])) :
    target => "Table${replace(title(replace(replace(target, "/", "-"), "-", " ")), " ", "")}"
  }

  # Models of a provider that the role signs for, where it is one of the deployment's: in its regions, by model or by
  # inference profile. By a profile a model runs in other regions too; there it may be called through one of ours alone.
  model_places = [
    for place in setproduct(distinct(concat([coalesce(var.bedrock_region, var.region)], var.bedrock_regions)), var.bedrock_models) :
    { region = place[0], form = place[1] }
  ]
  model_profiles = [
    for place in local.model_places :
    "arn:${local.partition}:bedrock:${place.region}:${local.account}:inference-profile/*.${place.form}"
  ]
  # An inference profile's tokens are not counted: a model is asked for it by its own id alone.
  by_own_id = ["CountTokens"]
  statements_on_models = {
    for key, function in local.functions : key => flatten([
      for provider, actions in try(function.models, {}) : [
        for statement in [
          {
            Sid      = "Models${title(provider)}ById"
            Action   = [for action in sort(actions) : "${provider}:${action}" if contains(local.by_own_id, action)]
            Resource = [for place in local.model_places : "arn:${local.partition}:bedrock:${place.region}::foundation-model/${place.form}"]
            Profiles = null
          },
          {
            Sid      = "Models${title(provider)}"
            Action   = [for action in sort(actions) : "${provider}:${action}" if !contains(local.by_own_id, action)]
            Resource = concat([for place in local.model_places : "arn:${local.partition}:bedrock:${place.region}::foundation-model/${place.form}"], local.model_profiles)
            Profiles = null
          },
          {
            Sid      = "Models${title(provider)}ByProfile"
            Action   = [for action in sort(actions) : "${provider}:${action}" if !contains(local.by_own_id, action)]
            Resource = [for form in var.bedrock_models : "arn:${local.partition}:bedrock:*::foundation-model/${form}"]
            Profiles = local.model_profiles
          },
        ] : statement if length(statement.Action) > 0
      ] if contains(var.providers_enabled, provider) && contains(local.called_by_role, provider)
    ])
  }

  # Secrets Manager appends six characters of its own choice to an ARN.
  statements_on_secrets = {
    for key, function in local.functions : key => [
      for secret in try(function.secrets, []) : {
        Sid      = "Secret${title(secret)}"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:${local.partition}:secretsmanager:${var.region}:${local.account}:secret:${local.secret_names[secret]}-??????"]
      } if contains(keys(local.secret_names), secret)
    ]
  }

  statements_named = {
    for key, function in local.functions : key => [
      for index, grant in try(function.actions, []) : {
        Sid    = "Named${index}"
        Action = sort(grant.actions)
        Resource = [
          for resource in grant.resources :
          replace(replace(replace(replace(resource, "{partition}", local.partition), "{account}", local.account), "{region}", var.region), "{prefix}", local.prefix)
        ]
      }
    ]
  }

  statements_on_streams = {
    for key, function in local.functions : key => flatten([
      for table in [for each in try([function.event.stream], []) : each if contains(keys(local.tables), each)] : [
        {
          Sid      = "Stream"
          Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
          Resource = ["${local.table_arns[table]}/stream/*"]
        },
        {
          Sid      = "Failures"
          Action   = ["sqs:SendMessage"]
          Resource = ["arn:${local.partition}:sqs:${var.region}:${local.account}:${local.failure_queue_names[key]}"]
        },
      ]
    ])
  }

  statements_on_keys = { for key in keys(local.functions) : key => local.statements_on_key }

  # Each role of ours meets something that the key of one's own encrypts. A function: its environment, the tables and their
  # stream, its secrets, and (GenerateDataKey) the queue and the topic that it sends to. The scheduler's: its schedules.
  statements_on_key = [
    for arn in var.kms_key_arn[*] : {
      Sid      = "Key"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [arn]
    }
  ]
}
