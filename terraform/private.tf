# The streaming door for callers in a VPC only (stream_endpoint_type = "PRIVATE").

locals {
  private = var.stream_endpoint_type == "PRIVATE"

  # AWS makes such a name for each endpoint that the API names. It works whether the VPC uses the endpoint's private DNS or not.
  stream_private_urls = {
    for id in var.vpc_endpoint_ids :
    id => replace(aws_api_gateway_stage.stream.invoke_url, "https://${aws_api_gateway_rest_api.stream.id}.", "https://${aws_api_gateway_rest_api.stream.id}-${id}.")
  }
  stream_url = local.private && length(var.vpc_endpoint_ids) > 0 ? local.stream_private_urls[var.vpc_endpoint_ids[0]] : aws_api_gateway_stage.stream.invoke_url

  # A private API answers nobody without a policy. The key is checked by the function; this says only by which way calls may come.
  stream_policy = concat(
    [{
      Sid       = "Everybody"
      Effect    = "Allow"
      Principal = "*"
      Action    = "execute-api:Invoke"
      Resource  = "${aws_api_gateway_rest_api.stream.execution_arn}/*"
    }],
    [for ids in local.private ? [var.vpc_endpoint_ids] : [] : {
      Sid       = "NoOtherWay"
      Effect    = "Deny"
      Principal = "*"
      Action    = "execute-api:Invoke"
      Resource  = "${aws_api_gateway_rest_api.stream.execution_arn}/*"
      Condition = { StringNotEquals = { "aws:SourceVpce" = ids } }
    }],
  )
}

# If the type is set back to REGIONAL while endpoints are still named, this policy stays and lets everybody in. Otherwise the next
# deployment would be made before the policy is deleted, and would keep it (docs/decisions/0106).
resource "aws_api_gateway_rest_api_policy" "stream" {
  count = length(var.vpc_endpoint_ids) > 0 ? 1 : 0

  rest_api_id = aws_api_gateway_rest_api.stream.id
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.stream_policy })
}
