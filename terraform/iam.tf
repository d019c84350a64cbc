# The rights of each role: those that Lambda needs to run the function, and those that the function's manifest names.
# modules/function writes nothing else into the role.

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
        # X-Ray has no resources, so AWS allows only "*" here.
        Sid      = "Traces"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = ["*"]
      },
    ]
  }

  # A list of actions applies to the whole table. An object names, for each action, the partitions on which it is allowed. An index
  # is a separate resource: a right on it is written "table/index". checks.tf reports tables that are not described.
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

  # Rights on the models of a provider for which the role signs requests, if the deployment uses that provider: in its regions,
  # by model or by inference profile. With a profile a model runs in other regions too; there it may be called only through one
  # of our profiles.
  model_places = [
    for place in setproduct(distinct(concat([coalesce(var.bedrock_region, var.region)], var.bedrock_regions)), var.bedrock_models) :
    { region = place[0], form = place[1] }
  ]
  model_profiles = [
    for place in local.model_places :
    "arn:${local.partition}:bedrock:${place.region}:${local.account}:inference-profile/*.${place.form}"
  ]
  # CountTokens does not accept an inference profile: it needs the model's own id.
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

  # Secrets Manager appends six random characters to an ARN.
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

  # Each of our roles uses something that the customer-managed key encrypts. A function uses its environment, the tables and their
  # streams, its secrets, and (GenerateDataKey) the queue and the topic to which it sends. The scheduler uses its schedules.
  statements_on_key = [
    for arn in var.kms_key_arn[*] : {
      Sid      = "Key"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [arn]
    }
  ]
}
