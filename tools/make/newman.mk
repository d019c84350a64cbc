$(LOCAL)/newman/.ready: $(LOCAL)/node/.ready postman/package.json postman/package-lock.json
	@echo "installing newman" && $(call packages,postman,$(LOCAL)/newman,ci)
	@touch $@

.PHONY: newman
newman: $(LOCAL)/newman/.ready $(EMULATOR)/.ready ## Run the Postman collection against a separate gateway
	@$(PY) -m tools.newman
